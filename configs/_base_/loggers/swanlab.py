"""SwanLab beside TensorBoard; options say to which project, and under what name.

The name is the run's unless `experiment_name` is given. `mode::offline` needs no
network and no account; `swanlab sync` sends later what it wrote to the run's folder.
"""

_backends = [
    dict(type='TensorboardVisBackend'),
    dict(
        type='SwanlabVisBackend',
        init_kwargs=dict(
            project='{{$project:vq}}',
            workspace='{{$entity:None}}',
            name='{{$experiment_name:None}}',
            tags='{{$tags:None}}',
            description='{{$notes:None}}',
            mode='{{$mode:online}}',
        ),
    ),
]

train_callbacks = dict(log=dict(type='LogCallback', backends=_backends))
val_callbacks = dict(log=dict(type='LogCallback', backends=_backends))
