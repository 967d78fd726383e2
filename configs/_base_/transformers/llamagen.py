"""What LlamaGen adds to Llama: positions on the grid, and dropout."""

model = dict(
    dropout=0.1,
    transformer=dict(positions='grid', dropout=0.1),
)
