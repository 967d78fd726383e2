"""Frame k of a video is the k-th that decoding from the start gives."""

import importlib
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import Tensor

from tests.datasets.films import CODECS, Frames, decoded, moving, write, write_folder
from vq.datasets import UnreadableImageError
from vq.datasets.videos import (
    OPEN,
    AvVideo,
    DecordVideo,
    FolderVideo,
    OpenVideos,
    find_reader,
    find_videos,
    natural,
)


def same(images: Sequence[Tensor], frames: Sequence[Any]) -> bool:
    """Tell whether images are frames."""
    pairs = zip(images, frames, strict=True)
    return all(np.array_equal(i.permute(1, 2, 0).numpy(), f) for i, f in pairs)


@pytest.mark.parametrize('kind', CODECS)
def test_any_frame_is_that_of_decoding_in_order(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / kind, moving(30, size=32), kind=kind)
    expected, video = decoded(path), AvVideo(path)
    assert AvVideo.count(path) == len(video) == len(expected) == 30
    for place in np.random.default_rng(0).permutation(30):
        assert same(video.frames([place]), [expected[place]])
    assert same(video.frames(range(30)), expected)
    assert same(video.frames(range(3, 30, 7)), expected[3::7])
    with pytest.raises(UnreadableImageError, match='frame 30 is asked for, and 30 are'):
        video.frames([30])


def test_a_lossless_file_holds_what_was_written(tmp_path: Path) -> None:
    frames = moving(9)
    path = write(tmp_path / 'a.mkv', frames)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 0  # its header says nothing
    assert same(AvVideo(path).frames(range(9)), frames)


def test_it_does_not_decode_from_the_start_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / 'h264.mp4', moving(64, size=32), kind='h264.mp4')
    video, steps = AvVideo(path), list[int]()
    until = video._until

    def counting(time: int) -> Any:
        decoder, number = video._decoder, 0

        def count() -> Any:
            nonlocal number
            for pair in decoder:
                number += 1
                yield pair

        video._decoder = count()
        frame = until(time)
        video._decoder = decoder
        steps.append(number)
        return frame

    monkeypatch.setattr(video, '_until', counting)
    for place in np.random.default_rng(1).permutation(64):
        video.frames([int(place)])
    assert max(steps) <= 12  # the eight of a group and those before its first
    steps.clear()
    video.frames(range(40, 48))
    assert steps[1:] == [1] * 7


def test_frames_that_an_edit_list_cuts_off_do_not_count(tmp_path: Path) -> None:
    whole = write(tmp_path / 'whole.mp4', moving(30, size=32), kind='h264.mp4')
    path, begin = tmp_path / 'cut.mp4', None
    options = dict(avoid_negative_ts='disabled')
    with av.open(str(whole)) as source, av.open(str(path), 'w', options=options) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            if begin is None and not (packet.is_keyframe and packet.pts):
                continue
            tick = packet.duration
            begin = packet.pts + 5 * (tick or 0) if begin is None else begin
            packet.pts, packet.dts = packet.pts - begin, packet.dts - begin
            packet.stream = copy
            out.mux(packet)
    expected = decoded(path)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == len(expected) + 5 == 22
    assert AvVideo.count(path) == len(AvVideo(path)) == 17
    assert same(AvVideo(path).frames(range(17)), expected)
    assert same(AvVideo(path).frames([16, 3]), [expected[16], expected[3]])


def test_packets_without_times_are_decoded_in_order(tmp_path: Path) -> None:
    whole = write(tmp_path / 'whole.mp4', moving(20, size=32), kind='h264.mp4')
    path = tmp_path / 'raw.h264'
    with av.open(str(whole)) as source, av.open(str(path), 'w') as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    expected, video = decoded(path), AvVideo(path)
    assert AvVideo.count(path) == len(video) == len(expected) == 20
    places = [3, 17, 4, 5, 19, 0]
    assert same(video.frames(places), [expected[place] for place in places])


def test_a_video_that_was_held_upright_is_turned(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.mp4', moving(2, size=32), kind='h264.mp4')
    plain = AvVideo(path).frames([1])[0]
    data = bytearray(path.read_bytes())
    start = data.index(b'tkhd') + 4 + 40  # the matrix, of a quarter to the right
    one = 1 << 16
    numbers = (0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    data[start : start + 36] = b''.join(
        n.to_bytes(4, 'big', signed=True) for n in numbers
    )
    path.write_bytes(data)
    assert torch.equal(AvVideo(path).frames([1])[0], plain.rot90(-1, (1, 2)))


@pytest.mark.parametrize('data', [b'', b'no video' * 100])
def test_broken_files_are_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / 'a.mp4'
    path.write_bytes(data)
    for read in (AvVideo, AvVideo.count):
        with pytest.raises(UnreadableImageError, match=f'cannot read {path}: .*nvalid'):
            read(path)


def test_files_without_pictures_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'a.mkv'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('pcm_s16le', rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout='mono')
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    for read in (AvVideo, AvVideo.count):
        with pytest.raises(UnreadableImageError, match='it holds no video'):
            read(path)


def test_torn_files_give_what_they_have(tmp_path: Path) -> None:
    path = write(tmp_path / 'a.avi', moving(30, size=32), kind='mpeg4.avi')
    before = AvVideo(path).frames(range(6))
    data = path.read_bytes()
    start = data.index(b'movi')
    path.write_bytes(data[: start + (len(data) - start) // 2])
    video = AvVideo(path)
    assert 6 < len(video) < 30
    assert same(video.frames(range(6)), [i.permute(1, 2, 0).numpy() for i in before])


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    frames = moving(12)
    video = FolderVideo(write_folder(tmp_path / 'a', frames))
    assert len(video) == 12
    assert same(video.frames(range(12)), frames)
    assert same(video.frames([11, 2]), [frames[11], frames[2]])


def test_numbers_in_names_are_sorted_by_size() -> None:
    names = ['a10/b', 'a9/b2', 'a9/b10', 'a09/b10', '10', '9', 'a', '9a', '']
    expected = ['', '9', '9a', '10', 'a', 'a9/b2', 'a09/b10', 'a9/b10', 'a10/b']
    assert sorted(names, key=natural) == expected


def test_files_and_folders_of_pictures_are_found(tmp_path: Path) -> None:
    for name in ('a.MP4', 'a.jpg', 'deep/b.webm', 'deep/er/1.png', 'deep/er/2.png',
                 'c/1.txt', '.d/e.mp4', 'f/.1.png'):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(find_videos(tmp_path)) == ['a.MP4', 'deep/b.webm', 'deep/er']
    assert list(find_videos(tmp_path / 'deep' / 'er')) == ['']


class FakeReader:
    """decord's reader, as far as it is used."""

    def __init__(self, path: str, *, num_threads: int) -> None:
        assert num_threads == 1
        self.pixels: Frames = decoded(Path(path))

    def __len__(self) -> int:
        return len(self.pixels)

    def get_batch(self, places: list[int]) -> Any:
        if max(places) >= len(self):
            raise IndexError('Out of bound indices')
        pixels = np.stack([self.pixels[place] for place in places])
        return SimpleNamespace(asnumpy=lambda: pixels)


@pytest.fixture
def decord(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Let decord be there; tell whether it is the real one."""
    try:
        importlib.import_module('decord')
    except ImportError:
        fake = SimpleNamespace(VideoReader=FakeReader, __spec__=SimpleNamespace())
        monkeypatch.setitem(sys.modules, 'decord', fake)
        return False
    return True


def test_decord_reads_the_same(tmp_path: Path, decord: bool) -> None:
    path = write(tmp_path / 'a.mp4', moving(20, size=32), kind='h264.mp4')
    video, expected = DecordVideo(path), AvVideo(path).frames(range(20))
    assert find_reader('decord') is DecordVideo
    assert len(video) == DecordVideo.count(path) == 20
    for places in (range(20), range(3, 20, 5), [7]):
        for ours, theirs in zip(video.frames(places), places, strict=True):
            difference = (ours.int() - expected[theirs].int()).abs()
            assert difference.max() <= (3 if decord else 0)  # its own YUV to RGB
    path.write_bytes(b'')
    with pytest.raises(UnreadableImageError, match=f'cannot read {path}'):
        DecordVideo(path)


def test_without_a_reader_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_reader('auto') is find_reader('av') is AvVideo
    for name in ('av', 'decord'):
        monkeypatch.setitem(sys.modules, name, None)
    for name, said in (('auto', 'av or decord'), ('av', 'av'), ('decord', 'decord')):
        with pytest.raises(ImportError, match=rf"take {said}, .*'vq\[video\]'.*folder"):
            find_reader(name)


def test_few_videos_stay_open(tmp_path: Path) -> None:
    opened = list[Path]()

    def open_(path: Path) -> FolderVideo:
        opened.append(path)
        return FolderVideo(tmp_path)

    videos = OpenVideos(open_)
    names = [Path(str(i)) for i in range(OPEN + 1)]
    for name in [*names[:OPEN], names[0], names[OPEN], names[0]]:
        videos[name]
    assert opened == names
    videos[names[1]]  # the one that had not been read for longest
    assert opened == [*names, names[1]]


def test_another_process_opens_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_folder(tmp_path / 'a', moving(1))
    videos = OpenVideos(FolderVideo)
    mine = videos[path]
    assert videos[path] is mine
    assert pickle.loads(pickle.dumps(videos))[path] is not mine
    monkeypatch.setattr(os, 'getpid', lambda: -1)
    assert videos[path] is not mine
