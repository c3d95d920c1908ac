#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the emulated board is what the device tests take it for. `make device-selftest` runs it."""
import socket
import unittest

from board import GPIO_EVENTS, OUT, Board


class BoardTest(unittest.TestCase):
    def board(self):
        made = Board(OUT / self.id().split(".")[-1], {"/bin/gpio_events": GPIO_EVENTS})
        self.addCleanup(made.close)
        return made

    def test_edges_from_outside_arrive_in_order(self):
        board = self.board()
        board.set_line(5, 1)
        board.power_on()
        board.send("gpio_events /dev/gpiochip0 5 &")
        board.wait_serial(r"line 5 level 1")
        for number, (level, word) in enumerate([(0, "falling"), (1, "rising"), (0, "falling")], 1):
            board.set_line(5, level)
            board.wait_serial(rf"edge {word} line 5 number {number}")
        board.power_cut()
        board.power_on()  # the contact is still where it was
        board.send("gpio_events /dev/gpiochip0 5 &")
        board.wait_serial(r"line 5 level 0")

    def test_power_cut_keeps_what_was_synced_and_nothing_else(self):
        board = self.board()
        board.power_on()
        board.run("mount -o remount,commit=300 /var/lib")  # the file system does not flush by itself meanwhile
        self.assertEqual(board.run("cd /var/lib && echo kept > synced && sync && echo gone > not-synced")[1], 0)
        self.assertEqual(board.run("cat not-synced")[0].strip(), "gone")
        board.power_cut()
        board.power_on()
        self.assertEqual(board.run("cat /var/lib/synced"), ("kept\n", 0))
        self.assertNotEqual(board.run("cat /var/lib/not-synced 2>/dev/null")[1], 0)

    def test_drive_forgets_its_cache(self):
        board = self.board()
        board.power_on()
        board.run("dd if=/dev/zero of=/var/lib/file bs=4k count=64 conv=fsync 2>/dev/null")
        # Straight to the drive, past the guest's own cache, and no flush after it.
        board.run("tr '\\0' x </dev/zero | dd of=/var/lib/file bs=4k count=64 iflag=fullblock oflag=direct conv=notrunc")
        lost = board.power_cut()
        self.assertGreaterEqual(lost, 64 * 8)
        board.power_on()
        self.assertEqual(board.run("tr -d '\\0' </var/lib/file | wc -c")[0].strip(), "0")

    def test_host_is_reached_and_the_clock_is_right(self):
        import time
        board = self.board()
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(60)
            board.power_on()
            board.send(f"echo hello | nc 10.0.2.2 {server.getsockname()[1]} &")
            connection, _ = server.accept()
            with connection:
                connection.settimeout(30)
                self.assertEqual(connection.recv(16), b"hello\n")
        there = int(board.run("date +%s")[0].split()[-1])
        self.assertLess(abs(there - time.time()), 60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
