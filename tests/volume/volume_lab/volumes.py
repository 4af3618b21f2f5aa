"""The network file systems by the name that tests are given on their command line."""

from .gluster import Gluster
from .moosefs import MooseFS
from .sshfs import Sshfs

VOLUMES = {"moosefs": MooseFS, "sshfs": Sshfs, "gluster": Gluster}
