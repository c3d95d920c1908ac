// SPDX-License-Identifier: MIT
#include "port/linux/flash.hpp"

#include <fcntl.h>
#include <mtd/mtd-user.h>
#include <mtd/ubi-user.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "port/linux/system.hpp"
#include "tocsin/limits.hpp"

namespace tocsin {
namespace {

constexpr unsigned kMtdMajor = 90;

// What the kernel says of a device in this file of sysfs. There is no ioctl that tells the sizes of a UBI volume.
Result<std::string_view> attribute(const struct stat& device, std::string_view name, Span<char> into) {
  char text[80];
  TextWriter path(text);
  path.text("/sys/dev/char/").number(major(device.st_rdev)).text(":").number(minor(device.st_rdev)).text("/");
  const Fd file{::open(Path{path.text(name).view()}.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.is_open()) return last_error();
  TRY_LET(size, read_whole(file.number(), {reinterpret_cast<std::uint8_t*>(into.data()), into.size()}));
  return trim({into.data(), size});
}

Result<std::uint32_t> number(const struct stat& device, std::string_view name) {
  char text[24];
  TRY_LET(word, attribute(device, name, text));
  TRY_LET(found, parse_number(word, UINT32_MAX));
  return static_cast<std::uint32_t>(found);
}

Result<Flash> look_at_volume(int fd, const struct stat& device, FlashUse use, TextWriter& why) {
  Flash flash;
  flash.kind = Flash::Kind::ubi;
  char text[24];
  TRY_LET(type, attribute(device, "type", text));
  TRY_LET(bytes, number(device, "usable_eb_size"));
  TRY_LET(groups, number(device, "reserved_ebs"));
  TRY_LET(page, number(device, "../min_io_size"));
  if (type != "dynamic") {
    why.text("it is a static UBI volume, which cannot be written in parts: make a dynamic one");
    return Code::bad_value;
  }
  flash.group_bytes = bytes;
  flash.groups = groups;
  flash.page = page;
  ubi_set_vol_prop_req property{};
  property.property = UBI_VOL_PROP_DIRECT_WRITE;
  property.value = 1;
  if (use == FlashUse::write && control(fd, UBI_IOCSETVOLPROP, &property) != 0) return last_error();
  return flash;
}

Result<Flash> look_at_chip(int fd, TextWriter& why) {
  mtd_info_user chip{};
  if (control(fd, MEMGETINFO, &chip) != 0) return last_error();
  if (chip.type != MTD_NORFLASH && chip.type != MTD_RAM) {
    why.text("it is flash with bad blocks (NAND): attach UBI to it, make a volume, and name that, as /dev/ubi0_0");
    return Code::bad_value;
  }
  Flash flash;
  flash.kind = Flash::Kind::mtd;
  flash.group_bytes = chip.erasesize;
  flash.groups = chip.erasesize == 0 ? 0 : chip.size / chip.erasesize;
  flash.page = chip.writesize;
  return flash;
}

Status erase(int fd, const Flash& flash, std::uint64_t group) {
  int done;
  if (flash.kind == Flash::Kind::ubi) {
    auto block = static_cast<std::int32_t>(group);
    done = control(fd, UBI_IOCEBER, &block);  // back when it is erased: what was there does not come again
  } else {
    erase_info_user block{};
    block.start = static_cast<std::uint32_t>(group * flash.group_bytes);
    block.length = flash.group_bytes;
    done = control(fd, MEMERASE, &block);
  }
  return done == 0 ? Status{} : last_error();
}

Status read_whole_at(int fd, std::uint64_t from, MutBytes into) {
  while (!into.empty()) {
    const ssize_t n = ::pread(fd, into.data(), into.size(), static_cast<off_t>(from));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return {Code::io, EIO};
    into = into.drop(static_cast<std::size_t>(n));
    from += static_cast<std::uint64_t>(n);
  }
  return {};
}

// Where a block of the store lies on the device.
std::uint64_t place(const Flash& flash, std::uint64_t from, std::uint32_t block) {
  return from + std::uint64_t{block / flash.together} * flash.group_bytes + block % flash.together * kBlock;
}

}  // namespace

Result<Flash> look_at_flash(int fd, FlashUse use, TextWriter& why) {
  struct stat device = {};
  if (::fstat(fd, &device) != 0) return last_error();
  const bool is_chip = major(device.st_rdev) == kMtdMajor;
  if (!is_chip && !number(device, "usable_eb_size").ok()) {
    why.text("it is neither a partition nor a plain file nor flash (a UBI volume, or MTD)");
    return Code::bad_value;
  }
  TRY_LET(found, is_chip ? look_at_chip(fd, why) : look_at_volume(fd, device, use, why));
  Flash flash = found;
  if (flash.page == 0) flash.page = 1;
  if (flash.page > kBlock || kBlock % flash.page != 0) {
    why.text("its smallest write has ").number(flash.page).text(" bytes, and 4096 are the most: put UBIFS on it ");
    why.text("and name a directory of that as `state`");
    return Code::bad_value;
  }
  flash.together = flash.group_bytes / kBlock;
  if (flash.together == 0) {
    why.text("its erase blocks have fewer than 4096 bytes");
    return Code::bad_value;
  }
  return flash;
}

Status read_flash(int fd, const Flash& flash, std::uint64_t from, std::uint32_t at, MutBytes into) {
  while (!into.empty()) {
    const std::uint32_t begin = at % kBlock;
    const MutBytes part = into.first(into.size() < kBlock - begin ? into.size() : kBlock - begin);
    const std::uint64_t where = place(flash, from, at / kBlock) + begin;
    const Status read = read_whole_at(fd, where, part);
    if (!read.ok() && read.detail() != EBADMSG) return read;
    if (!read.ok()) {
      for (std::size_t done = 0; done < part.size();) {
        const std::size_t to_edge = flash.page - (begin + done) % flash.page;
        MutBytes page = part.drop(done);
        page = page.first(page.size() < to_edge ? page.size() : to_edge);
        const Status again = read_whole_at(fd, where + done, page);
        if (!again.ok() && again.detail() != EBADMSG) return again;
        if (!again.ok()) std::memset(page.data(), 0, page.size());
        done += page.size();
      }
    }
    at += static_cast<std::uint32_t>(part.size());
    into = into.drop(part.size());
  }
  return {};
}

Status write_flash(int fd, const Flash& flash, std::uint64_t from, std::uint32_t at, Bytes bytes) {
  if (at % kBlock != 0 || bytes.size() > kBlock) return {Code::io, EINVAL};
  const std::uint32_t block = at / kBlock;
  std::uint64_t to = place(flash, from, block);
  alignas(8) std::uint8_t page[kBlock];
  if (block % flash.together == 0) {
    TRY(erase(fd, flash, to / flash.group_bytes));
  } else {
    TRY(read_flash(fd, flash, from, at, page));
    for (const std::uint8_t byte : page)
      if (byte != 0xFF) return {Code::io, EUCLEAN};
  }
  std::memset(page, 0xFF, sizeof page);
  std::memcpy(page, bytes.data(), bytes.size());
  Bytes left = Bytes{page}.first((bytes.size() + flash.page - 1) / flash.page * flash.page);
  while (!left.empty()) {
    const ssize_t n = ::pwrite(fd, left.data(), left.size(), static_cast<off_t>(to));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return last_error();
    if (n == 0) return {Code::io, EIO};
    left = left.drop(static_cast<std::size_t>(n));
    to += static_cast<std::uint64_t>(n);
  }
  return {};
}

// A chip has taken every byte when a write returns; its device knows no sync.
Status sync_flash(int fd, const Flash& flash) {
  return flash.kind == Flash::Kind::mtd || ::fdatasync(fd) == 0 ? Status{} : last_error();
}

}  // namespace tocsin
