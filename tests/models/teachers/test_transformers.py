"""TransformersTeacher: folders, nothing else."""

import json
from pathlib import Path

import pytest
import torch
import transformers

from tests.models.teachers.setups import HALF, SETUPS, of_transformers, picture
from vq.checkpoints.files import CheckpointError, sha256
from vq.registry import MODELS

FOLDERS = [name for name in SETUPS if name.startswith('transformers')]


@pytest.mark.parametrize('name', FOLDERS)
@torch.no_grad()
def test_another_size_is_that_of_transformers(name: str, tmp_path: Path) -> None:
    setup = SETUPS[name](tmp_path)
    image = picture(48)
    options = dict(interpolate_pos_encoding=True) if 'siglip' in name else {}
    output = setup.network(pixel_values=setup.normalize(image), **options)
    tokens = output.last_hidden_state[:, -36:]
    features = setup.build()(image)
    for i in range(36):
        torch.testing.assert_close(
            features[:, :, i // 6, i % 6], tokens[:, i], rtol=1e-4, atol=1e-4
        )


def test_the_folder_may_say_how_pixels_are_scaled(tmp_path: Path) -> None:
    setup = of_transformers('dinov3', tmp_path)
    said = dict(image_mean=HALF[0], image_std=HALF[1])
    (tmp_path / 'dinov3' / 'preprocessor_config.json').write_text(json.dumps(said))
    setup.pixels = HALF
    found = setup.build().prepare(picture().float())
    torch.testing.assert_close(found, setup.normalize(picture()), rtol=1e-5, atol=1e-5)


def test_the_part_that_reads_texts_is_left_out(tmp_path: Path) -> None:
    teacher = of_transformers('siglip', tmp_path).build()
    assert type(teacher.network) is transformers.SiglipVisionModel
    assert teacher.sha256 == sha256(tmp_path / 'siglip' / 'model.safetensors')


def test_weights_in_bf16_make_a_network_in_float32(tmp_path: Path) -> None:
    setup = of_transformers('dinov2', tmp_path)
    before = setup.build()(picture())
    setup.network.bfloat16().save_pretrained(tmp_path / 'dinov2')
    config = json.loads((tmp_path / 'dinov2' / 'config.json').read_text())
    assert config['dtype'] == 'bfloat16'
    teacher = setup.build()
    assert {value.dtype for value in teacher.parameters()} == {torch.float32}
    torch.testing.assert_close(teacher(picture()), before, rtol=0.1, atol=0.1)


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    for name in ('facebook/dinov2-base', str(tmp_path)):
        with pytest.raises(FileNotFoundError):
            MODELS.build(dict(type='TransformersTeacher', weights=name))


def test_other_networks_are_refused(tmp_path: Path) -> None:
    config = transformers.ViTConfig(hidden_size=8, num_hidden_layers=1)
    config.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match='a network of kind vit; known are dinov2'):
        MODELS.build(dict(type='TransformersTeacher', weights=str(tmp_path)))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    setup = of_transformers('dinov2', tmp_path)
    path = tmp_path / 'dinov2' / 'config.json'
    deeper = json.loads(path.read_text()) | dict(num_hidden_layers=3)
    path.write_text(json.dumps(deeper))
    with pytest.raises(CheckpointError, match='of another model: 18 keys are missing'):
        setup.build()


def test_code_of_the_folder_is_not_run_and_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = SETUPS['transformers registers'](tmp_path)
    expected = setup.build()(picture())
    folder = Path(setup.config['weights'])
    (folder / 'own.py').write_text('raise SystemExit')
    monkeypatch.setattr('builtins.input', lambda _: 'y')
    config = json.loads((folder / 'config.json').read_text())
    config['auto_map'] = dict(AutoConfig='own.Config', AutoModel='own.Model')
    (folder / 'config.json').write_text(json.dumps(config))
    assert torch.equal(setup.build()(picture()), expected)
    (folder / 'config.json').write_text(json.dumps(config | dict(model_type='own')))
    with pytest.raises(ValueError, match='contains custom code'):
        setup.build()
