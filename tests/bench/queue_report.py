# SPDX-License-Identifier: MIT
"""Tables of rows 11 to 13, and the overview at their end."""


def spelled(value):
    return f"{value:,.2f}" if 0 < value < 100 and value != int(value) else f"{value:,.0f}"


class Report:
    def __init__(self):
        self.entries = []
        self.missed = []
        self.broken = []

    def goal(self, row, what, ours, goal, floor=None, peers=None):
        """Notes a figure that has a goal: at most `goal`."""
        reached = ours <= goal
        self.entries.append((row, what, ours, floor, peers or {}, goal, reached))
        if not reached:
            self.missed.append(f"row {row}, {what}: {spelled(ours)}, goal {spelled(goal)}")
        return reached

    def failed(self, what, problem):
        print(f"\n{what}: MEASUREMENT FAILED: {problem}", flush=True)
        self.broken.append(what)

    def overview(self):
        print(f"\n{'row':>3}  {'what':46}{'ours':>12}{'floor':>12}{'/ floor':>9}  {'best peer':24}{'/ ours':>8}"
              f"{'goal':>12}  reached")
        for row, what, ours, floor, peers, goal, reached in sorted(self.entries, key=lambda entry: entry[0]):
            peer = min(peers, key=peers.get, default=None)
            print(f"{row:>3}  {what:46}{spelled(ours):>12}{spelled(floor) if floor else '':>12}"
                  f"{f'{ours / floor:.2f} x' if floor else '':>9}  "
                  f"{f'{spelled(peers[peer])} {peer}' if peer else '':24}"
                  f"{f'{peers[peer] / ours:.1f} x' if peer and ours else '':>8}{spelled(goal):>12}  "
                  f"{'yes' if reached else 'NO'}")

    def close(self):
        """For the runner: what is not at its goal. The exit status: 1 when a measurement failed."""
        for line in self.missed:
            print(f"not at its goal: {line}")
        return 1 if self.broken else 0


def head(title, each="record"):
    print(f"\n{title}\n  {'':44}{'bytes':>12} {'':9}{'flush':>6} {'sync':>6} {'malloc':>7}   each {each}")


def line(name, found, own=None, note=""):
    ratio = "" if own is None else f"{found['bytes'] / own['bytes']:6.2f} x"
    print(f"  {name:44}{found['bytes']:10,.0f} B {ratio:9}{found['flushes']:6.2f} {found['syncs']:6.2f} "
          f"{found['mallocs']:7.2f}   {note}".rstrip(), flush=True)
