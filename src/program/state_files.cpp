// SPDX-License-Identifier: MIT
#include "src/program/state_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/linux/entropy.hpp"
#include "port/linux/file_lock.hpp"
#include "tocsin/wire/record.hpp"

namespace tocsin {
namespace {

const char* advice_for_room(std::int32_t error) {
  switch (error) {
    case ENOSPC: return ": free some space, or make queue_size in [device] smaller";
    case EFBIG: return ": raise that limit, or make queue_size in [device] smaller";
    default: return "";
  }
}

// What makes a device empty; no file grows by it.
void write_emptying(const StoreFile& last, std::string_view device, TextWriter& into) {
  switch (last.flash.kind) {
    case Flash::Kind::none:
      into.text("dd if=/dev/zero of=").text(device).text(" bs=4096 count=");
      into.number((last.from + last.capacity) / kBlock).text(" conv=notrunc");
      return;
    case Flash::Kind::ubi: into.text("ubiupdatevol -t ").text(device); return;
    case Flash::Kind::mtd: into.text("flash_erase ").text(device).text(" 0 0"); return;
  }
}

// The block of the second head of a store.
std::uint32_t last_block(const StoreFile& file) { return file.capacity - kBlock; }

// Whether a cut may have left this of a mark: its first bytes as they should be, or, on flash, with bits that were not
// turned over yet, or a page that cannot be read.
bool may_become(Bytes mark, Bytes block, std::size_t page) {
  constexpr std::size_t kSign = 8;  // bytes that every head begins with
  const std::size_t written = page > mark.size() ? page : mark.size();
  bool begun = true;
  for (std::size_t at = 0; at < kSign; ++at) begun = begun && (block[at] | mark[at]) == block[at];
  return (begun || is_blank(block.first(written))) && is_blank(block.drop(written));
}

}  // namespace

bool is_of_medium(Status failure) {
  if (failure.code() != Code::io) return false;
  switch (failure.detail()) {
    case EIO:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // a limit that whoever started this has set
    case EROFS:
    case ENOENT:  // not mounted yet
    case ENODEV:
    case ENXIO:
    case ENOMEDIUM:
    case EREMOTEIO:
    case ETIMEDOUT:
    case ESTALE:
    case EUCLEAN:
    case EBADMSG:
    case ENOTCONN: return true;
    default: return false;
  }
}

Status StateFiles::failed(Status status, const char* what, std::string_view path, const char* advice) {
  char text[400];
  TextWriter words(text);
  words.text(what).text(path).text(": ");
  write_errno(status.detail(), words);
  why_.assign_cut(words.text(advice).view());
  return status;
}

Status StateFiles::open_directory(const DeviceConfig& device) {
  const Status opened = dir_.open(device.state, IfAbsent::make);
  if (opened.ok()) return {};
  return failed(opened, "cannot use the state directory ", device.state, ": look at `state` in [device]");
}

Status StateFiles::lock(const DeviceConfig& device) {
  device_ = &device;
  char text[400];
  TextWriter why(text);
  if (!check_lock_place(dir_.fd(), device.state, why).ok()) {
    why_.assign_cut(why.view());
    return Code::bad_value;
  }
  const Status locked = dir_.lock();
  return locked.ok() ? locked : not_locked(locked, dir_);
}

Status StateFiles::not_locked(Status locked, const StateDir& dir) {
  char path[kMaxPath + 16];
  TextWriter file(path);
  file.text(device_->state).text("/lock");
  if (locked.code() != Code::busy) return failed(locked, "cannot lock ", file.view(), "");
  char text[400];
  TextWriter words(text);
  words.text(file.view()).text(" is held by ");
  write_holder(dir.holder(), words);
  why_.assign_cut(words.view());
  return locked;
}

Status StateFiles::open_stores(const DeviceConfig& device) {
  drop();
  changes_ = {};
  if (!device.state_device.empty()) {
    char text[300];
    TextWriter reason(text);
    const Status opened = open_store_device(device.state_device, Access::write, files_, reason);
    if (opened.ok()) return mark_device(device);
    if (opened.code() == Code::io)
      return failed(opened, "cannot use state_device ", device.state_device,
                    opened.detail() == EBUSY ? ": it is mounted, or another process has it for itself" : "");
    char line[400];
    TextWriter words(line);
    words.text("cannot use state_device ").text(device.state_device).text(": ").text(reason.view());
    why_.assign_cut(words.view());
    return opened;
  }
  char odd[400];
  TextWriter why(odd);
  if (!check_queue_places(dir_.fd(), device.state, why).ok()) {
    why_.assign_cut(why.view());
    return Code::bad_value;
  }
  const Status opened =
      tocsin::open_stores(dir_.fd(), kQueueFiles, device.queue_bytes / 2, kFilledUp, files_, changes_);
  if (opened.ok()) return {};
  char text[kMaxPath + 64];
  TextWriter what(text);
  what.text(device.state).text("/queue.0 and queue.1 (").number(device.queue_bytes / 2 / 1024);
  what.text(" KiB each)");
  if (opened.code() == Code::io)
    return failed(opened, "cannot make ", what.view(),
                  advice_for_room(opened.detail()));
  why_.assign_cut("queue.0 or queue.1 has a size that cannot be: move both away");
  return Code::bad_value;
}

// Only the mark of an empty one may be found half written, and then all the rest is blank.
Result<DeviceHolds> look_at_device(const StoreFile (&files)[2]) {
  FileHead head;  // its first bytes are those of every head
  std::uint8_t mark[kFileHeadBytes];
  encode_file_head(head, mark);
  alignas(8) std::uint8_t block[kBlock];
  const auto is_begun_mark = [&](const StoreFile& file, std::uint32_t at) {
    return &file == &files[1] && at == last_block(file) && may_become(mark, Bytes{block}, file.flash.page);
  };
  bool blank = true, marked = false;
  for (const StoreFile& file : files)
    for (const std::uint32_t at : {0U, last_block(file)}) {
      TRY(read_store(file, at, block));
      const auto found = decode_file_head(block);
      marked = marked || found.ok() || found.code() == Code::bad_value;  // a newer version: its reader says so
      blank = blank && (is_blank(block) || is_begun_mark(file, at));
    }
  if (marked) return DeviceHolds::a_queue;
  for (const StoreFile& file : files)
    for (std::uint32_t at = 0; blank && at < file.capacity; at += kBlock)
      blank = read_store(file, at, block).ok() && (is_blank(block) || is_begun_mark(file, at));
  return blank ? DeviceHolds::nothing : DeviceHolds::something_else;
}

void write_something_else(const StoreFile (&files)[2], std::string_view device, TextWriter& into) {
  into.text(" holds something else and is not touched: if nothing on it is needed, `");
  write_emptying(files[1], device, into);
  into.text("` makes it empty");
}

// Nothing but an empty device or one of ours is ever written. The mark of ours is the head of a file that was
// never sealed, in the very last block: it is on the medium before anything else is written, so that a cut
// while the first turn writes its heads leaves a device that is known again.
Status StateFiles::mark_device(const DeviceConfig& device) {
  FileHead head;
  head.generation = 1;
  head.salt = random_number();
  head.first_lsn = 1;
  head.block = kBlock;
  std::uint8_t mark[kFileHeadBytes];
  encode_file_head(head, mark);
  const auto holds = look_at_device(files_);
  if (!holds.ok()) {
    drop();
    return failed(holds.status(), "cannot read state_device ", device.state_device, "");
  }
  if (holds.value() == DeviceHolds::a_queue) return {};
  if (holds.value() == DeviceHolds::something_else) {
    char text[400];
    TextWriter words(text);
    words.text("state_device ").text(device.state_device);
    write_something_else(files_, device.state_device, words);
    why_.assign_cut(words.view());
    drop();
    return Code::bad_value;
  }
  Status written = write_store(files_[1], last_block(files_[1]), mark);
  if (written.ok()) written = sync_store(files_[1]);
  if (written.ok()) return {};
  drop();
  return failed(written, "cannot write state_device ", device.state_device, "");
}

Status StateFiles::read_through() {
  alignas(8) std::uint8_t block[kBlock];
  for (const StoreFile& file : files_)
    for (std::uint32_t at = 0; at < file.capacity; at += kBlock) TRY(read_store(file, at, block));
  return {};
}

void StateFiles::begin(const DeviceConfig& device) {
  device_ = &device;
  in_use_[0] = in_use_[1] = nullptr;
  StorageJob::begin();
}

void StateFiles::begin_anew(const DeviceConfig& device, const FileStore& even, const FileStore& odd) {
  device_ = &device;
  in_use_[0] = &even;
  in_use_[1] = &odd;
  StorageJob::begin();
}

Status StateFiles::poll() { return outcome(); }

Status StateFiles::carry_out(StorageJob& self) {
  auto& files = static_cast<StateFiles&>(self);
  const bool anew = files.in_use_[0] != nullptr;
  const Status opened = anew ? files.open_anew() : files.open_all();
  if (opened.ok()) return opened;
  files.drop();
  (anew ? files.next_dir_ : files.dir_).close();
  return opened;
}

Status StateFiles::open_anew() {
  drop();
  changes_ = {};
  const Status opened = next_dir_.open(device_->state, IfAbsent::make);
  if (!opened.ok()) return failed(opened, "cannot make the state directory anew, ", device_->state, "");
  const Status locked = next_dir_.lock_beside(dir_);
  if (!locked.ok()) return not_locked(locked, next_dir_);
  for (std::size_t i = 0; i < 2; ++i) {
    struct stat about = {};
    const bool is_there = ::fstatat(next_dir_.fd(), Path{kQueueFiles[i]}.c_str(), &about, 0) == 0;
    if (is_there && is_same_file(in_use_[i]->fd(), about)) continue;
    char text[kMaxPath + 16];
    TextWriter path(text);
    path.text(device_->state).text("/").text(kQueueFiles[i]);
    const auto file = open_store(next_dir_.fd(), kQueueFiles[i], in_use_[i]->capacity());
    if (!file.ok())
      return failed(file.status(), "cannot make anew ", path.view(),
                    file.status().detail() == ENOSPC ? ": free some space" : ": look what lies there");
    files_[i] = file.value();
    alignas(8) std::uint8_t block[kBlock];
    for (std::uint32_t at = 0; at < files_[i].capacity; at += kBlock) {
      TRY(read_store(files_[i], at, block));
      if (is_blank(block)) continue;
      char words[400];
      TextWriter why(words);
      why.text(path.view()).text(" was replaced by a file that holds something, which is not touched: move it away, ");
      why.text("or start the daemon anew to use it");
      why_.assign_cut(why.view());
      return Code::bad_value;
    }
  }
  return {};
}

bool StateFiles::swap_directory() {
  struct stat about = {};
  const bool is_other = ::fstat(next_dir_.fd(), &about) == 0 && !is_same_file(dir_.fd(), about);
  dir_.become(next_dir_);
  return is_other;
}

Status StateFiles::open_all() {
  TRY(open_directory(*device_));
  TRY(lock(*device_));
  TRY(open_stores(*device_));
  const Status read = read_through();
  bad_blocks_ = !read.ok() && ++looks_ >= kLooks;
  if (!read.ok() && !bad_blocks_) return failed(read, "cannot read the queue in ", device_->state, "");
  if (read.ok()) looks_ = 0;
  return {};
}

StoreFile StateFiles::take(std::size_t which) {
  const StoreFile file = files_[which];
  files_[which] = {};
  return file;
}

void StateFiles::drop() {
  for (StoreFile& file : files_) {
    if (file.fd >= 0) ::close(file.fd);
    file = {};
  }
}

void StateFiles::write_changes(TextWriter& into) const {
  const bool both_made = changes_.made[0] && changes_.made[1];
  for (std::size_t i = 0; i < 2; ++i) {
    if ((changes_.made[i] && !both_made) || changes_.lengthened[i])
      into.text(into.view().empty() ? "" : "; ").text(kQueueFiles[i]);
    if (changes_.made[i] && !both_made) into.text(" was missing and is made anew");
    if (changes_.lengthened[i]) into.text(" was cut off: it is filled up with zeros");
  }
  if (changes_.smaller)
    into.text(into.view().empty() ? "" : "; ").text("there is no room for queue files of the wanted size: ")
        .text("they are smaller, and fewer messages can wait");
}

}  // namespace tocsin
