// SPDX-License-Identifier: MIT
#include "src/program/control_packet.hpp"

namespace tocsin {
namespace {

enum class Tag : std::uint8_t {
  cls = 1,  // u8
  stream = 2,
  text = 3,
  phone = 4,  // digits; once for each
  subject = 5,
  json = 6,  // no bytes
  wait = 7,  // u32, seconds
  from = 8,  // u32, a message's number
  files_gone = 9,  // no bytes
  out = 16,
  err = 17,
};
constexpr unsigned bit(Tag tag) { return 1U << static_cast<unsigned>(tag); }

struct Fields {
  unsigned required;
  unsigned optional;
};
// No default: a new kind does not compile without its fields.
bool fields_of(Ask ask, Fields& into) {
  switch (ask) {
    case Ask::send:
      into = {bit(Tag::cls) | bit(Tag::text) | bit(Tag::phone), bit(Tag::stream) | bit(Tag::wait)};
      return true;
    case Ask::raise:
    case Ask::clear:
    case Ask::ack:
    case Ask::retry:
    case Ask::drop:
    case Ask::reload_token: into = {bit(Tag::subject), 0}; return true;
    case Ask::status: into = {0, bit(Tag::json)}; return true;
    case Ask::in_memory: into = {bit(Tag::from), bit(Tag::subject) | bit(Tag::files_gone)}; return true;
    case Ask::ping:
    case Ask::memory:
    case Ask::purge:
    case Ask::give_way:
    case Ask::reasons: into = {0, 0}; return true;
  }
  return false;
}

std::size_t cut_at_character(std::string_view text, std::size_t n) {
  if (n >= text.size()) return text.size();
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0U) == 0x80U) --n;
  return n;
}

void store_head(std::uint8_t* at, Tag tag, std::size_t size) {
  at[0] = static_cast<std::uint8_t>(tag);
  store16(at + 1, static_cast<std::uint16_t>(size));
}

class Packer {
 public:
  Packer(MutBytes into, Ask ask) : into_(into) {
    const std::uint8_t head[2] = {kControlVersion, static_cast<std::uint8_t>(ask)};
    put(head);
  }
  void field(Tag tag, Bytes value) {
    if (value.size() > kMaxControlRequest) {
      fits_ = false;
      return;
    }
    std::uint8_t head[kFieldHead];
    store_head(head, tag, value.size());
    put(head);
    put(value);
  }
  Result<std::size_t> size() const {
    if (!fits_) return Code::too_big;
    return size_;
  }

 private:
  void put(Bytes bytes) {
    fits_ = fits_ && bytes.size() <= into_.size() - size_;
    if (!fits_) return;
    copy(into_.drop(size_), bytes);
    size_ += bytes.size();
  }
  MutBytes into_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

// Takes a field off the front of `rest`. False: it is not whole.
bool take_field(Bytes& rest, Tag& tag, Bytes& value) {
  if (rest.size() < kFieldHead) return false;
  const std::size_t size = load16(rest.data() + 1);
  if (rest.size() - kFieldHead < size) return false;
  tag = static_cast<Tag>(rest[0]);
  value = rest.drop(kFieldHead).first(size);
  rest = rest.drop(kFieldHead + size);
  return true;
}

Status bad(TextWriter& why, std::string_view what) {
  why.text(what);
  return Code::bad_value;
}

Status bad_name(TextWriter& why, Bytes name, std::size_t longest) {
  if (name.size() > longest || !is_utf8(as_text(name))) return bad(why, "a name is too long or no text");
  return {};
}

Status take_value(Tag tag, Bytes value, ControlRequest& into, TextWriter& why) {
  switch (tag) {
    case Tag::cls:
      if (value.size() != 1 || value[0] > static_cast<std::uint8_t>(Class::info))
        return bad(why, "no such class");
      into.cls = static_cast<Class>(value[0]);
      return {};
    case Tag::stream: into.stream = as_text(value); return bad_name(why, value, kMaxWayNames);
    case Tag::subject:
      into.subject = as_text(value);
      return bad_name(why, value, kMaxId);  // or shorter: nothing of that name is found
    case Tag::text:
      into.text = as_text(value);
      return check_text(into.text, why) == Exit::done ? Status{} : Code::bad_value;
    case Tag::phone: {
      const auto phone = parse_phone(as_text(value));
      if (!phone.ok() || phone.value().view() != as_text(value))
        return bad(why, "a phone is not 7 to 15 digits");
      if (into.phone_count == kMaxPhones) return bad(why, "too many phones");
      into.phones[into.phone_count++] = phone.value();
      return {};
    }
    case Tag::json:
      if (!value.empty()) return bad(why, "a field has a wrong size");
      into.json = true;
      return {};
    case Tag::files_gone:
      if (!value.empty()) return bad(why, "a field has a wrong size");
      into.files_gone = true;
      return {};
    case Tag::wait:
      if (value.size() != 4) return bad(why, "a field has a wrong size");
      into.wait = seconds(load32(value.data()));
      return {};
    case Tag::from:
      if (value.size() != 4) return bad(why, "a field has a wrong size");
      into.from = load32(value.data());
      return {};
    case Tag::out:
    case Tag::err: break;
  }
  return bad(why, "a field that this request does not have");
}

}  // namespace

Result<std::size_t> encode_request(const ControlRequest& request, MutBytes into) {
  Packer packer{into.first(kMaxControlRequest), request.ask};
  Fields fields{};
  TOCSIN_ASSERT(fields_of(request.ask, fields));
  const unsigned all = fields.required | fields.optional;
  const auto cls = static_cast<std::uint8_t>(request.cls);
  if ((all & bit(Tag::cls)) != 0) packer.field(Tag::cls, {&cls, 1});
  if ((all & bit(Tag::stream)) != 0 && !request.stream.empty())
    packer.field(Tag::stream, as_bytes(request.stream));
  if ((all & bit(Tag::text)) != 0) packer.field(Tag::text, as_bytes(request.text));
  if ((fields.required & bit(Tag::subject)) != 0 || ((all & bit(Tag::subject)) != 0 && !request.subject.empty()))
    packer.field(Tag::subject, as_bytes(request.subject));
  if ((all & bit(Tag::phone)) != 0)
    for (const Phone& phone : request.recipients()) packer.field(Tag::phone, as_bytes(phone.view()));
  if ((all & bit(Tag::json)) != 0 && request.json) packer.field(Tag::json, {});
  if ((all & bit(Tag::wait)) != 0 && request.wait.count > 0) {
    std::uint8_t wait[4];
    store32(wait, static_cast<std::uint32_t>(request.wait.count / 1000));
    packer.field(Tag::wait, wait);
  }
  if ((all & bit(Tag::from)) != 0) {
    std::uint8_t from[4];
    store32(from, request.from);
    packer.field(Tag::from, from);
  }
  if ((all & bit(Tag::files_gone)) != 0 && request.files_gone) packer.field(Tag::files_gone, {});
  return packer.size();
}

Status decode_request(Bytes packet, ControlRequest& into, TextWriter& why) {
  into = {};
  if (packet.size() > kMaxControlRequest) return bad(why, "it is too long");
  if (packet.size() < 2) return bad(why, "it is too short");
  if (packet[0] != kControlVersion) {
    why.text("it has version ").number(packet[0]).text(" and this tocsin knows ").number(kControlVersion);
    why.text(": start both from the same build");
    return Code::bad_value;
  }
  Fields fields{};
  into.ask = static_cast<Ask>(packet[1]);
  if (!fields_of(into.ask, fields)) {
    into.ask = Ask::ping;
    return bad(why, "it asks for something unknown: start both from the same build");
  }
  unsigned seen = 0;
  for (Bytes rest = packet.drop(2); !rest.empty();) {
    Tag tag{};
    Bytes value;
    if (!take_field(rest, tag, value)) return bad(why, "a field is cut off");
    if (static_cast<unsigned>(tag) >= 32 || ((fields.required | fields.optional) & bit(tag)) == 0)
      return bad(why, "a field that this request does not have");
    if ((seen & bit(tag)) != 0 && tag != Tag::phone) return bad(why, "a field stands twice");
    seen |= bit(tag);
    TRY(take_value(tag, value, into, why));
  }
  if ((seen & fields.required) != fields.required) return bad(why, "a field is missing");
  return {};
}

ReplyFrame::ReplyFrame(const ControlReply& reply) {
  constexpr std::size_t kRoom = kMaxControlReply - 2 - 2 * kFieldHead;
  constexpr std::size_t kForErr = 1024;  // what went wrong outlives a long answer
  const std::size_t err = reply.err.size() < kForErr ? reply.err.size() : kForErr;
  out_ = head(reply.out, cut_at_character(reply.out, kRoom - err));
  err_ = head(reply.err, cut_at_character(reply.err, kRoom - out_.size()));
  front_[0] = kControlVersion;
  front_[1] = static_cast<std::uint8_t>(reply.exit);
  store_head(front_ + 2, Tag::out, out_.size());
  store_head(middle_, Tag::err, err_.size());
}

Result<std::size_t> encode_reply(const ControlReply& reply, MutBytes into) {
  const ReplyFrame frame{reply};
  std::size_t size = 0;
  for (const Bytes part : {frame.front(), as_bytes(frame.out()), frame.middle(), as_bytes(frame.err())}) {
    if (part.size() > into.size() - size) return Code::too_big;
    copy(into.drop(size), part);
    size += part.size();
  }
  return size;
}

Result<ControlReply> decode_reply(Bytes packet) {
  if (packet.size() < 2 || packet.size() > kMaxControlReply || packet[0] != kControlVersion)
    return Code::protocol;
  ControlReply reply;
  reply.exit = static_cast<Exit>(packet[1]);
  Bytes rest = packet.drop(2);
  Tag tag{};
  Bytes value;
  if (!take_field(rest, tag, value) || tag != Tag::out) return Code::protocol;
  reply.out = as_text(value);
  if (!take_field(rest, tag, value) || tag != Tag::err || !rest.empty()) return Code::protocol;
  reply.err = as_text(value);
  return reply;
}

}  // namespace tocsin
