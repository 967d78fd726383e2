"""The teacher ConvNeXt-B of torchvision: 7x7, enlarged (https://arxiv.org/abs/2201.03545)."""

model = dict(
    teacher=dict(
        type='TorchvisionTeacher',
        model='convnext_base',
        weights='torchvision/convnext_base',
        grid=14,
    ),
    decoder=dict(out_dim=1024),
)
