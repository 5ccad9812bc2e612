#!/usr/bin/env python3
"""Every state that a power cut can leave a disk in.

usage: replay.py WORKLOAD BASE LOG SUBSETS

BASE is a disk with an ext4 as it was in the beginning, LOG what dm-log-writes wrote down of the writes,
flushes and marks that came then (Documentation/admin-guide/device-mapper/log-writes.rst in Linux). At
each entry the power fails: what was written before the last flush is there, of later writes all, or none,
or a random subset, SUBSETS times. Each such disk is mounted, as after a crash, and WORKLOAD --check looks
at it, and is told the marks so far. Needs root. Ends with status 1 if a state is wrong.
"""
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


def read_log(path):
    """Yields (offset, data, flags, mark) of each entry."""
    with open(path, 'rb') as log:
        magic, _, count, sector = struct.unpack('<QQQI', log.read(28))
        if magic != MAGIC:
            sys.exit(f'{path} is no log of dm-log-writes')
        position = sector
        for _ in range(count):
            log.seek(position)
            at, sectors, flags, size = struct.unpack('<QQQQ', log.read(32))
            mark = log.read(size).decode() if flags & MARK else ''
            position += sector
            data = b''
            if not flags & (DISCARD | MARK):
                log.seek(position)
                data = log.read(sectors * sector)
                position += sectors * sector
            yield at * sector, data, flags, mark


def write_all(image, writes):
    with open(image, 'r+b') as disk:
        for offset, data in writes:
            disk.seek(offset)
            disk.write(data)


class States:
    def __init__(self, workload, folder):
        self.workload, self.folder = workload, folder
        self.tried = self.wrong = 0
        self.mounted = os.path.join(folder, 'mounted')
        os.mkdir(self.mounted)

    def look(self, sure, writes, said, what):
        """The disk `sure` with these writes on it, of which `said` was acknowledged."""
        image = os.path.join(self.folder, 'image')
        subprocess.run(['cp', '--sparse=always', sure, image], check=True)
        write_all(image, writes)
        self.tried += 1
        mount = ['mount', '-t', 'ext4', '-o', 'loop', image, self.mounted]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            self.judge(what, 'it cannot be mounted')
            return
        try:
            checked = subprocess.run([self.workload, '--check', self.mounted + '/state'],
                                     input=''.join(line + '\n' for line in said),
                                     capture_output=True, text=True)
        finally:
            subprocess.run(['umount', self.mounted], check=True)
        if checked.returncode != 0:
            self.judge(what, checked.stdout.strip() or f'status {checked.returncode}')

    def judge(self, what, why):
        self.wrong += 1
        if self.wrong <= 5:
            print(f'WRONG: {what}: {why}', flush=True)


def main():
    workload, base, log, subsets = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    dice = random.Random(1)
    folder = tempfile.mkdtemp(dir=os.path.dirname(base))
    states = States(workload, folder)
    sure = os.path.join(folder, 'sure')
    shutil.copyfile(base, sure)
    said, unsure = [], []
    for number, (offset, data, flags, mark) in enumerate(read_log(log)):
        is_said = mark.startswith(('lease:', 'release:'))
        if is_said:
            said.append(mark)
        if flags & FLUSH:
            write_all(sure, unsure)
            unsure = []
        is_fua = bool(data and flags & FUA)
        if is_fua:
            write_all(sure, [(offset, data)])
        elif data:
            unsure.append((offset, data))
        if is_said or is_fua or flags & FLUSH:
            states.look(sure, [], said, f'entry {number}, none')
        if not unsure or not (is_said or data):
            continue
        states.look(sure, unsure, said, f'entry {number}, all')
        for turn in range(subsets):
            some = [write for write in unsure if dice.random() < 0.5]
            states.look(sure, some, said, f'entry {number}, subset {turn}')
    print(f'{len(said)} records acknowledged; {states.tried} states, {states.wrong} of them wrong')
    sys.exit(1 if states.wrong or not said else 0)


if __name__ == '__main__':
    main()
