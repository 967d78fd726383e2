"""A clip is so many frames of a video, told apart, augmented alike, and folded."""

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.datasets.films import Frames, moving, write, write_folder
from tests.datasets.miniatures import ids
from tests.log import Records
from vq import paths
from vq.config import check
from vq.datasets import (
    ClipDataset,
    ConcatDataset,
    ImageDataset,
    LimitedDataset,
    MissingDataError,
    Unreadable,
    UnreadableImageError,
    collate,
    train_loader,
    val_loader,
)
from vq.datasets.sampler import TrainSampler
from vq.images import fold_clips
from vq.types import Batch, Clip, Sample, SampleKey

LENGTHS = {'a/v9.mkv': 7, 'a/v10.mkv': 12, 'b': 10}
CROP = [
    dict(type='RandomCrop', size=9),
    dict(type='ColorJitter', brightness=0.2, contrast=0.2, saturation=0.2),
    dict(type='RandomHorizontalFlip'),
]


def films(root: Path) -> dict[str, Frames]:
    """Write two files and a folder of pictures; return their frames."""
    made = {}
    for number, (name, length) in enumerate(LENGTHS.items()):
        made[name] = moving(length, start=20 * number)
        make = write if name.endswith('.mkv') else write_folder
        make(root / name, made[name])
    return made


def pixels(frames: Frames) -> Tensor:
    """Return frames as images, (n, 3, h, w)."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def get(dataset: ImageDataset, key: SampleKey | int) -> Batch:
    """Return one item as a batch."""
    item = dataset[key]
    assert isinstance(item, Clip if dataset.frames > 1 else Sample)
    return collate([item])


@pytest.mark.parametrize('frames', [1, 2, 3])
@pytest.mark.parametrize('stride', [1, 2, 3])
@pytest.mark.parametrize('step', [None, 1, 4])
def test_clips_are_those_of_a_loop(
    tmp_path: Path, frames: int, stride: int, step: int | None
) -> None:
    expected = []
    for name, made in films(tmp_path).items():
        first = 0
        while first + (frames - 1) * stride < len(made):
            places = [first + i * stride for i in range(frames)]
            expected.append((name, places, pixels([made[place] for place in places])))
            first += step or frames * stride
    dataset = ClipDataset(
        data_root=str(tmp_path), frames=frames, stride=stride, step=step
    )
    assert len(dataset) == len(expected)
    for index, (name, places, images) in enumerate(expected):
        batch = get(dataset, index)
        assert torch.equal(batch.original_image, images)
        assert batch.ids == [f'{name}/{place:06d}' for place in places]
        assert batch.index.tolist() == [index * frames + i for i in range(frames)]
        assert batch.category.tolist() == [0] * frames
        assert dataset.id(index) == batch.ids[0]
        assert torch.equal(dataset.read(index), images[0])
    with pytest.raises(IndexError, match=rf'index {len(expected)} is not in'):
        dataset.id(len(expected))


def test_by_default_clips_have_no_frame_in_common(tmp_path: Path) -> None:
    films(tmp_path)
    names = [
        name
        for stride in (1, 2)
        for clip in [ClipDataset(data_root=str(tmp_path), frames=3, stride=stride)]
        for i in range(len(clip))
        for name in get(clip, i).ids
    ]
    assert len(set(names[:27])) == 27  # 2 + 4 + 3 clips


def test_all_frames_of_a_clip_are_augmented_alike(tmp_path: Path) -> None:
    still = moving(1) * 6
    write(tmp_path / 'still.mkv', still)
    dataset = ClipDataset(data_root=str(tmp_path), frames=3, transforms=CROP)
    for key in (SampleKey(0), SampleKey(1), SampleKey(0, 1), SampleKey(0, 0, 1)):
        image = pixels(still[:1])[0]
        rng = np.random.default_rng((key.seed, key.epoch, key.index))
        for transform in dataset.transforms:
            image = transform(image, rng)
        assert torch.equal(
            get(dataset, key).original_image, image.expand(3, -1, -1, -1)
        )
    one = ClipDataset(data_root=str(tmp_path), frames=1, transforms=CROP)
    assert torch.equal(get(one, 2).original_image[0], _augmented(one, still[2], 2))


def _augmented(dataset: ClipDataset, frame: Any, index: int) -> Tensor:
    image, rng = pixels([frame])[0], np.random.default_rng((0, 0, index))
    for transform in dataset.transforms:
        image = transform(image, rng)
    return image


@pytest.mark.parametrize('workers', [0, 2])
def test_batches_are_folded_clips_whoever_reads_them(
    tmp_path: Path, workers: int
) -> None:
    films(tmp_path)
    dataset = ClipDataset(data_root=str(tmp_path), frames=3, transforms=CROP)
    again = ClipDataset(data_root=str(tmp_path), frames=3, transforms=CROP)
    for index in range(len(dataset)):  # files are open when the workers start
        dataset[index]
    loader = iter(train_loader(dataset, batch_size=4, num_workers=workers, seed=3))
    keys = iter(TrainSampler(len(dataset), batch_size=4, seed=3))
    for _ in range(4):  # into the second epoch
        batch, parts = next(loader), [get(again, key) for key in next(keys)]
        clips = torch.stack([part.original_image for part in parts])
        folded = fold_clips(clips.permute(0, 1, 3, 4, 2))
        assert torch.equal(batch.original_image, folded)
        assert batch.ids == [name for part in parts for name in part.ids]
        assert len(set(batch.index.tolist())) == len(batch) == 12


@pytest.mark.parametrize('workers', [0, 2])
def test_single_frames_are_validated_once_each(tmp_path: Path, workers: int) -> None:
    films(tmp_path)
    dataset = ClipDataset(data_root=str(tmp_path), frames=1)
    batches = val_loader(dataset, batch_size=4, num_workers=workers, block_size=8)
    found = [name for batch in batches for name in batch.ids]
    assert found == [f'{name}/{i:06d}' for name, n in LENGTHS.items() for i in range(n)]
    assert found == ids(dataset)


@pytest.mark.parametrize('frames', [1, 3])
def test_a_part_is_numbered_anew(tmp_path: Path, frames: int) -> None:
    films(tmp_path)
    inner: dict[str, Any] = dict(type='ClipDataset', data_root=str(tmp_path))
    inner |= dict(frames=frames, transforms=CROP)
    split = dict(type='RandomSplitDataset', dataset=inner | dict(transforms=[]))
    split |= dict(split='val', val_size=4, transforms=CROP)
    part, whole = (
        LimitedDataset(dataset=split, length=3),
        ClipDataset(data_root=str(tmp_path), frames=frames, transforms=CROP),
    )
    assert part.frames == frames
    places = {name: index for index, name in enumerate(ids(whole))}
    for index in range(3):
        batch, original = get(part, index), get(whole, places[part.id(index)])
        assert torch.equal(batch.original_image, original.original_image)
        assert batch.ids == original.ids
        assert batch.index.tolist() == [index * frames + i for i in range(frames)]


@pytest.mark.parametrize('on_error', ['raise', 'skip', 'replace'])
def test_a_broken_frame_is_a_broken_clip(tmp_path: Path, on_error: Any) -> None:
    films(tmp_path)
    (tmp_path / 'b' / 'frame4.png').write_bytes(b'')
    dataset = ClipDataset(data_root=str(tmp_path), frames=3, on_error=on_error)
    index = ids(dataset).index('b/000003')
    if on_error == 'raise':
        with pytest.raises(UnreadableImageError, match='frame4.png: the file is empty'):
            dataset[index]
        return
    found = dataset[index]
    assert isinstance(found, Unreadable)
    assert found.reasons == ['b/000003: the file is empty']
    batch = collate([found])
    following = get(dataset, index + 1).ids if on_error == 'replace' else []
    assert batch.ids == following and batch.unreadable == found.reasons


def test_a_broken_file_is_named_or_left_out(tmp_path: Path, log: Records) -> None:
    films(tmp_path)
    (tmp_path / 'a' / 'v9.mkv').write_bytes(b'')
    with pytest.raises(UnreadableImageError, match='v9.mkv'):
        ClipDataset(data_root=str(tmp_path), frames=3)
    dataset = ClipDataset(data_root=str(tmp_path), frames=3, on_error='replace')
    assert {name.split('/')[1] for name in ids(dataset)[:4]} == {'v10.mkv'}
    assert any('unreadable video: a/v9.mkv: ' in text for text in log.texts())


def test_short_videos_are_left_out(tmp_path: Path, log: Records) -> None:
    films(tmp_path)
    dataset = ClipDataset(data_root=str(tmp_path), frames=4, stride=3)
    assert ids(dataset) == ['a/v10.mkv/000000', 'b/000000']
    assert '1 of 3 videos are shorter than the 10 frames of a clip' in log.texts()[-1]
    match = r'13 frames of a clip \(frames=13, stride=1\).* 3 is a/v10.mkv with 12'
    with pytest.raises(ValueError, match=match):
        ClipDataset(data_root=str(tmp_path), frames=13)


def test_folders_of_pictures_take_no_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = films(tmp_path)['b']
    for name in ('av', 'decord'):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'vq\[video\]'"):
        ClipDataset(data_root=str(tmp_path))
    (tmp_path / 'c').mkdir()
    (tmp_path / 'b').rename(tmp_path / 'c' / 'b')
    dataset = ClipDataset(data_root=str(tmp_path / 'c'), frames=10)
    assert torch.equal(get(dataset, 0).original_image, pixels(frames))


def test_what_is_not_there_or_cannot_be_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, 'ROOT', tmp_path)
    with pytest.raises(MissingDataError, match=f'no folder {tmp_path}/data/clips; put'):
        ClipDataset(data_root='data/clips')
    (tmp_path / 'data' / 'clips').mkdir(parents=True)
    with pytest.raises(MissingDataError, match=r'no video in .*\(\.mp4, .*data_root'):
        ClipDataset(data_root='data/clips')
    films(tmp_path)
    with pytest.raises(ValueError, match='holds pictures itself'):
        ClipDataset(data_root='b')
    for options, match in (
        (dict(frames=0), 'frames must be at least 1, got 0'),
        (dict(stride=0), 'stride must be at least 1, got 0'),
        (dict(step=-1), 'step must be at least 1, got -1'),
        (dict(reader='cv2'), "reader must be 'auto' or one of .*'cv2'"),
    ):
        with pytest.raises(ValueError, match=match):
            ClipDataset(data_root='b', **options)  # type: ignore[arg-type]


def test_clips_are_not_joined(tmp_path: Path) -> None:
    films(tmp_path)
    config = dict(type='ClipDataset', data_root=str(tmp_path), frames=3)
    with pytest.raises(ValueError, match='one holds clips of 3 frames.* frames=1'):
        ConcatDataset(datasets=dict(one=config))
    joined = ConcatDataset(datasets=dict(one=config | dict(frames=1)))
    assert joined.id(8) == 'one:a/v10.mkv/000001'


def test_it_is_described_and_checked_and_sent_to_workers(tmp_path: Path) -> None:
    films(tmp_path)
    dataset = ClipDataset(data_root=str(tmp_path), frames=3, stride=2)
    assert dataset.description == f'{tmp_path}, 3 frames, stride 2, step 6'
    assert dataset.name == '/'.join(tmp_path.parts[-2:])
    check(dict(type='ClipDataset', data_root=str(tmp_path), frames=3, transforms=CROP))
    assert get(dataset, 0).ids
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(get(again, 0).original_image, get(dataset, 0).original_image)
