"""Actions: what they show equals the model's own answers, with sub-tokens too."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.runs import tiny_validator
from vq.editing import between, masking, painting
from vq.editing.editor import Editor, Picture
from vq.generation.regions import Box

PRODUCT = (
    '.validator.model.tokenizer.quantizer:dict(type="ProductQuantizer", groups=2, '
    'quantizer=dict(type="VectorQuantizer", codebook_size=16, dim=2))'
)


def editor_of(folder: Path, *overrides: str, batch_size: int = 8) -> Editor:
    """Return an editor of a tiny network: 16 px, 8 x 8 tokens."""
    runner = tiny_validator(folder, *overrides)
    runner.model.eval()
    return Editor(
        runner.model,
        device=runner.strategy.device,
        autocast=runner.strategy.autocast,
        batch_size=batch_size,
    )


@pytest.fixture(params=[(), (PRODUCT,)], ids=['one', 'two'])
def editor(request: pytest.FixtureRequest, tmp_path: Path) -> Editor:
    """Return an editor of one token a position, and one of two sub-tokens."""
    return editor_of(tmp_path, *request.param)


def looked(editor: Editor, name: str, seed: int) -> Picture:
    generator = torch.Generator().manual_seed(seed)
    shape = (3, 16, 16)
    noise = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    return editor.look(name, noise)


def reconstruction(editor: Editor, picture: Picture) -> Tensor:
    """Return what the model makes of a picture, the plain way."""
    with torch.no_grad():
        image = editor.model(picture.image[None] / 127.5 - 1).image[0]
    return ((image + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)


def same(first: Tensor, second: Tensor) -> bool:
    """Tell whether pictures are equal, but for a rounding."""
    return int((first.int() - second.int()).abs().max()) <= 1


@pytest.mark.parametrize('order', ['random', 'rows', 'centre'])
def test_the_ends_of_a_way_are_the_reconstructions(editor: Editor, order: str) -> None:
    start, end = looked(editor, 'a', 0), looked(editor, 'b', 1)
    edited = between.interpolate(
        editor, start, end, steps=3, order=order, seed=0, unquantized=False
    )
    for row in edited.rows[1:]:
        assert len(row.cells) == 3
        assert same(row.cells[0].image, reconstruction(editor, start))
        assert same(row.cells[-1].image, reconstruction(editor, end))
    for name in ('after_latent', 'after_token'):
        way = edited.tokens[name]
        assert torch.equal(way[0], start.tokens) and torch.equal(way[-1], end.tokens)
    half = edited.tokens['after_token'][1]
    changed = (half != start.tokens).reshape(64, -1).any(-1)
    assert not ((half != start.tokens) & (half != end.tokens)).any()
    assert int(changed.sum()) <= 32


def test_unquantized_latents_are_decoded_where_codes_lie(editor: Editor) -> None:
    start, end = looked(editor, 'a', 0), looked(editor, 'b', 1)
    edited = between.interpolate(
        editor, start, end, steps=3, order='rows', seed=0, unquantized=True
    )
    model = editor.model
    with torch.no_grad():
        a, b = (model.tokenizer.encode(p.image[None] / 127.5 - 1) for p in (start, end))
        middle = model.decode(model.tokenizer.quantizer.project((a + b) / 2))[0]
    pixels = ((middle + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    assert same(edited.rows[2].cells[1].image, pixels)


def test_swapping_twice_changes_nothing(editor: Editor) -> None:
    start, end = looked(editor, 'a', 0), looked(editor, 'b', 1)
    boxes = [Box(1, 2, 5, 8)]
    once = painting.swap(editor, start, end, boxes=boxes).tokens['after']
    assert torch.equal(once[0, 1:5, 2:8], end.tokens[1:5, 2:8])
    assert not torch.equal(once[0], start.tokens)
    pair = [Picture(name=p.name, image=p.image, tokens=t)
            for p, t in zip((start, end), once, strict=True)]  # fmt: skip
    twice = painting.swap(editor, *pair, boxes=boxes).tokens['after']
    assert torch.equal(twice, torch.stack([start.tokens, end.tokens]))


def test_painting_all_with_another_picture_is_its_reconstruction(
    editor: Editor,
) -> None:
    start, end = looked(editor, 'a', 0), looked(editor, 'b', 1)
    whole = [Box(0, 0, 8, 8)]
    edited = painting.paint(editor, [start], boxes=whole, source=end)
    assert same(edited.rows[0].cells[-1].image, reconstruction(editor, end))
    code = tuple(size - 1 for size in editor.token_sizes)
    edited = painting.paint(editor, [start], boxes=[Box(0, 0, 1, 2)], codes=[code])
    after = edited.tokens['a_after']
    assert after[0, :2].reshape(2, -1).tolist() == [[*code]] * 2
    assert torch.equal(after[1:], start.tokens[1:])


def test_no_replacement_is_the_reconstruction(editor: Editor) -> None:
    picture = looked(editor, 'a', 0)
    edited = painting.exchange(editor, [picture], changes=[])
    assert same(edited.rows[0].cells[-1].image, reconstruction(editor, picture))
    assert torch.equal(edited.tokens['a_after'], picture.tokens)


def test_masked_tokens_are_filled_and_others_kept(editor: Editor) -> None:
    pictures = [looked(editor, name, seed) for seed, name in enumerate('ab')]
    shares = (0.0, 0.25, 1.0)
    found = {
        kind: masking.mask(
            editor, pictures, shares=shares, fill=masking.Fill(kind=kind, seed=3)
        )
        for kind in ('commonest', 'random')
    }
    for picture in pictures:
        rows = picture.tokens.reshape(64, -1).tolist()
        best = max(rows.count(row) for row in rows)
        none, some, all_ = found['commonest'].tokens[f'{picture.name}_after']
        assert torch.equal(none, picture.tokens)
        (code,) = {tuple(row) for row in all_.reshape(64, -1).tolist()}
        assert rows.count([*code]) == best
        assert int((some != picture.tokens).reshape(64, -1).any(-1).sum()) <= 16
    # What is drawn depends on the place of a picture, not on those beside it.
    alone = masking.mask(
        editor, pictures[:1], shares=(1.0,), fill=masking.Fill(kind='random', seed=3)
    )
    assert torch.equal(alone.tokens['a_after'][0], found['random'].tokens['a_after'][2])


def test_batches_of_one_and_of_eight_agree(tmp_path: Path) -> None:
    one, eight = (editor_of(tmp_path, batch_size=size) for size in (1, 8))
    noise = torch.randint(256, (9, 3, 16, 16), dtype=torch.uint8)
    tokens = eight.tokenize(noise)
    assert torch.equal(one.tokenize(noise), tokens)
    assert same(one.decode(tokens), eight.decode(tokens))
