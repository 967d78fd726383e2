"""GPT-2 of 355 million parameters, which begins with its text weights."""

model = dict(
    transformer=dict(
        type='GPT2',
        weights='huggingface/gpt2-medium',
        dim=1024,
        depth=24,
        heads=16,
        dropout=0.1,
        attention_dropout=0.1,
        grid=('{{$image_size:256}}' // 16, '{{$image_size:256}}' // 16),
    )
)
