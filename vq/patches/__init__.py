"""What codes stand for: patches of the images whose tokens they are."""

from vq.patches.choosing import Chooser, Plan
from vq.patches.counting import CodeCounts
from vq.patches.gallery import Gallery
from vq.patches.sheets import Settings

__all__ = ['Chooser', 'CodeCounts', 'Gallery', 'Plan', 'Settings']
