"""Sampling: each image equals the model's own, whatever batch, rank or interruption."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.datasets.pictures import photo
from tests.log import Records
from tests.ranks import run_ranks
from tests.runners.generators import tiny_generator
from vq import checkpoints, distributed
from vq.generation import pictures, plans
from vq.generation.draws import first_rows, only, outside
from vq.models.transformers import Sampling, sample, uniforms
from vq.runners import Generator

NUMBER, CLASSES, SEED = 7, [1, 3, 4], 5
PLAN = plans.plan_classes(CLASSES, number=NUMBER)
SETTINGS = Sampling(cfg=1.5, temperature=0.8)


def generate(
    folder: Path, *, batch_size: int = 4, number: int = NUMBER, **changes: Any
) -> bool:
    """Sample images into a folder."""
    one = tiny_generator(folder, batch_size=batch_size)
    plan = plans.plan_classes(CLASSES, number=number)
    options = dict(sampling=SETTINGS, seed=SEED) | changes
    return one.generate(plan, folder=folder / 'out', **options)


def written(folder: Path) -> dict[str, list[Any]]:
    """Return the pixels of all pictures below a folder, by name."""
    files = sorted((folder / 'out').rglob('*.png'))
    names = [str(file.relative_to(folder / 'out')) for file in files]
    return {n: pictures.read(f).tolist() for n, f in zip(names, files, strict=True)}


def tokens_of(one: Generator, draws: Any, **changes: Any) -> Tensor:
    """Return the tokens that `draw` makes pictures of."""
    seen: list[Tensor] = []
    render = one.model.render
    one.model.render = lambda tokens: seen.append(tokens) or render(tokens)
    one.draw(draws, **(dict(sampling=SETTINGS, seed=SEED) | changes))
    one.model.render = render
    return seen[0]


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sample in one go."""
    folder = tmp_path_factory.mktemp('whole')
    assert generate(folder)
    return folder


def test_pictures_equal_the_models_own(whole: Path, tmp_path: Path) -> None:
    model = tiny_generator(tmp_path).model
    expected = {}
    for i in range(NUMBER):
        category = CLASSES[i % 3]
        tokens = sample(
            model.transformer,
            model.condition(torch.tensor([category])),
            uniform=uniforms(SEED, [i], 16).view(1, 16, 1),
            sampling=SETTINGS,
        )
        with torch.no_grad():
            image = model.detokenize(tokens.view(1, 4, 4))[0]
        pixels = ((image + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
        expected[f'{category}/{i:06d}.png'] = pixels.tolist()
    assert written(whole) == expected
    assert len({str(pixels) for pixels in expected.values()}) == NUMBER
    record = json.loads((whole / 'out.json').read_text())
    assert record['weights'] == checkpoints.state_hash(model.state_dict())
    assert (record['classes'], record['number']) == (CLASSES, NUMBER)
    assert (record['seed'], record['cfg'], record['temperature']) == (SEED, 1.5, 0.8)


@pytest.mark.parametrize('batch_size', [1, 8])
def test_the_batch_does_not_matter(
    whole: Path, tmp_path: Path, batch_size: int
) -> None:
    generate(tmp_path, batch_size=batch_size)
    assert written(tmp_path) == written(whole)


def generate_on_rank(folder: Path) -> tuple[int, bool]:
    done = generate(folder)
    assert done
    return distributed.world_size(), done


def test_ranks_do_not_matter_and_go_on_with_what_one_began(
    whole: Path, tmp_path: Path
) -> None:
    generate(tmp_path, number=2)
    assert run_ranks(generate_on_rank, 2, tmp_path) == [(2, True)] * 2
    assert written(tmp_path) == written(whole)


def test_only_what_is_missing_or_torn_is_sampled_again(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(tmp_path)
    names = list(written(tmp_path))
    (tmp_path / 'out' / names[1]).unlink()
    torn = tmp_path / 'out' / names[4]
    torn.write_bytes(torn.read_bytes()[:-20])
    drawn: list[str] = []
    draw = Generator.draw

    def noted(self: Generator, draws: Any, **options: Any) -> Tensor:
        drawn.extend(f'{one.name}.png' for one in draws)
        return draw(self, draws, **options)

    monkeypatch.setattr(Generator, 'draw', noted)
    assert generate(tmp_path)
    assert written(tmp_path) == written(whole)
    assert sorted(drawn) == sorted([names[1], names[4]])
    assert generate(tmp_path) and len(drawn) == 2


def test_a_signal_ends_it_in_good_order(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Records
) -> None:
    draw = Generator.draw

    def interrupted(self: Generator, draws: Any, **options: Any) -> Tensor:
        os.kill(os.getpid(), signal.SIGINT)
        return draw(self, draws, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Generator, 'draw', interrupted)
        assert not generate(tmp_path, batch_size=3)
    assert len(written(tmp_path)) == 3
    assert 'SIGINT: the same command goes on from here' in log.warnings
    assert generate(tmp_path)
    assert written(tmp_path) == written(whole)


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    generate(tmp_path, number=2)
    before = written(tmp_path)
    with pytest.raises(
        ValueError, match=r'samples: cfg is 1.5 there and 4.0 here. .* --out DIR'
    ):
        generate(tmp_path, sampling=Sampling(cfg=4.0, temperature=0.8))
    with pytest.raises(ValueError, match='seed is 5 there and 6 here'):
        generate(tmp_path, seed=6)
    with pytest.raises(ValueError, match='number is 2 there and 1 here'):
        generate(tmp_path, number=1)
    assert written(tmp_path) == before


def test_no_guidance_is_the_conditional_network_alone(tmp_path: Path) -> None:
    one = tiny_generator(tmp_path)
    with torch.no_grad():
        alone = tokens_of(one, PLAN.draws, sampling=Sampling(cfg=1.0))
        # What the network says without a class has no part in it.
        one.model.transformer.embedding.weight[-1] = 100.0
        assert torch.equal(
            alone, tokens_of(one, PLAN.draws, sampling=Sampling(cfg=1.0))
        )
        assert not torch.equal(alone, tokens_of(one, PLAN.draws))


@pytest.mark.parametrize('part', ['first rows', 'outside a box'])
def test_what_is_kept_stays_and_the_rest_is_drawn(tmp_path: Path, part: str) -> None:
    photo(size=(40, 24)).save(tmp_path / 'cat.png')
    one = tiny_generator(tmp_path)
    original = one.look_at(tmp_path / 'cat.png')
    with torch.no_grad():
        true = one.model.tokenizer.tokenize(original.image[None] / 127.5 - 1)[0]
    kept = (
        first_rows((4, 4), 2) if part == 'first rows' else outside((4, 4), (1, 1, 2, 2))
    )
    plan = plans.plan_around([original], kept, [3], number=5)
    drawn = tokens_of(one, plan.draws)
    for i, tokens in enumerate(drawn):
        assert torch.equal(tokens[kept], true[kept])
        alone = sample(
            one.model.transformer,
            one.model.condition(torch.tensor([3])),
            uniform=uniforms(SEED, [i], 16).view(1, 16, 1),
            sampling=SETTINGS,
            known=only(true, kept).view(1, 16, 1),
        )
        assert torch.equal(tokens.flatten(), alone.flatten())
    assert len({str(tokens.tolist()) for tokens in drawn}) > 1
    # Kept or drawn, the pictures stand beside the original.
    one.generate(plan, sampling=SETTINGS, seed=SEED, folder=tmp_path / 'out')
    assert written(tmp_path)['cat/original.png'] == original.image.tolist()
    assert len(written(tmp_path)) == 7


def test_the_ends_of_a_way_are_the_classes(tmp_path: Path) -> None:
    one = tiny_generator(tmp_path)
    ways = tokens_of(one, plans.plan_way(1, 4, steps=4, number=3).draws)
    first = tokens_of(one, plans.plan_classes([1], number=3).draws)
    last = tokens_of(one, plans.plan_classes([4], number=3).draws)
    assert torch.equal(ways[0::4], first) and torch.equal(ways[3::4], last)
    assert not torch.equal(first, last)
    draws = plans.plan_way(1, 4, steps=3, number=1).draws
    table = one.model.transformer.embedding.weight[32:]
    assert torch.allclose(one.condition(draws)[1], (table[1] + table[4]) / 2)


def test_matrices_are_cast_once_and_tokens_stay_those_of_autocast(
    tmp_path: Path,
) -> None:
    strategy = dict(type='DDPStrategy', autocast='bf16')
    one = tiny_generator(tmp_path, strategy=strategy)
    linear = [m for m in one.model.transformer.modules() if isinstance(m, nn.Linear)]
    assert {m.weight.dtype for m in linear} == {torch.bfloat16}
    mine = tokens_of(one, PLAN.draws)
    other = tiny_generator(tmp_path)
    with torch.autocast('cpu', torch.bfloat16):
        theirs = tokens_of(other, PLAN.draws)
    assert torch.equal(mine, theirs)
    assert not torch.equal(mine, tokens_of(other, PLAN.draws))
    settings = one.settings(SETTINGS, SEED)
    assert settings['precision'] == 'torch.bfloat16'
    assert settings['weights'] == other.weights  # of the file, not of the cast
    assert {p.dtype for p in one.model.decoder.parameters()} == {torch.float32}


def test_one_shape_for_compiled_code(tmp_path: Path) -> None:
    one = tiny_generator(tmp_path, compile=True, batch_size=4)
    shapes: list[int] = []
    one.model.steps = None  # only the shapes are looked at
    generate_ = one.model.generate

    def noted(condition: Tensor, **options: Any) -> Any:
        shapes.append(len(condition))
        return generate_(condition, **options)

    one.model.generate = noted
    one.generate(PLAN, sampling=SETTINGS, seed=SEED, folder=tmp_path / 'out')
    assert shapes == [4, 4] and len(written(tmp_path)) == NUMBER


def test_other_systems_sample_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='is of a Toy, which samples nothing: give'):
        tiny_generator(tmp_path, model=dict(type='Toy'))


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    generator = tiny_generator(tmp_path)
    with torch.no_grad():
        generator.model.transformer.embedding.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r'1 of them.*transformer\.embedding\.weight'):
        generator.begin()
