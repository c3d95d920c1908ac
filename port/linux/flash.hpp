// SPDX-License-Identifier: MIT
// Bare flash under a store: a UBI volume, or NOR flash as an MTD device. What is erased together is a group: a
// logical block of the volume, an erase block of the chip. A store has a whole number of them; of the last one it
// uses only the first kBlock bytes, so that its last block has a group of its own (Store::erased_together).
//
// NAND without UBI is refused: which blocks of it are bad, and which bits have turned over, only UBI knows.
//
// Memory: a block on the stack of a write. Threads: no shared state.
#pragma once

#include "tocsin/base/bytes.hpp"
#include "tocsin/base/status.hpp"
#include "tocsin/base/text.hpp"

namespace tocsin {

struct Flash {
  enum class Kind : std::uint8_t { none, ubi, mtd };
  Kind kind = Kind::none;
  std::uint32_t group_bytes = 0;
  std::uint32_t groups = 0;
  std::uint32_t page = 1;      // bytes of the smallest write
  std::uint32_t together = 1;  // kBlocks of a group; the rest of it is not used

  // Blocks of a store in so many groups.
  std::uint32_t blocks_in(std::uint32_t n_groups) const { return (n_groups - 1) * together + 1; }
};

// Looks at an open character device and, to write, makes it ready for that. Errors: io; bad_value: it cannot serve,
// and `why` says for what reason.
enum class FlashUse : std::uint8_t { read, write };
Result<Flash> look_at_flash(int fd, FlashUse use, TextWriter& why);

// Of a store that begins at the byte `from` of the device, which is the beginning of a group. What a power cut left
// of a page, and no checksum of the chip covers, is read as zeros. Errors: io.
Status read_flash(int fd, const Flash& flash, std::uint64_t from, std::uint32_t at, MutBytes into);
// One block, or less of it: the first one of a group erases the group, any other has to be blank (io with EUCLEAN,
// nothing was written).
Status write_flash(int fd, const Flash& flash, std::uint64_t from, std::uint32_t at, Bytes bytes);
Status sync_flash(int fd, const Flash& flash);

}  // namespace tocsin
