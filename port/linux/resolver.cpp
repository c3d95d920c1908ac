// SPDX-License-Identifier: MIT
#include "port/linux/resolver.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "port/linux/look_up.hpp"
#include "port/linux/system.hpp"

namespace tocsin {
namespace {

// Both go through a SOCK_SEQPACKET between forks of one program: whole or not at all, same layout.
struct Request {
  std::uint16_t port = 0;
  std::uint16_t deadline_s = 0;
  char host[kMaxHost + 1] = {};
};
struct Answer {
  int error = 0;  // EAI_
  Addresses addresses;
};

union RightsSpace {  // room for one descriptor beside a packet, aligned
  cmsghdr head;
  char bytes[CMSG_SPACE(sizeof(int))];
};

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  for (const char c : host) {
    const char low = to_lower(c);
    if (!is_digit(c) && !(low >= 'a' && low <= 'z') && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

msghdr packet_of(iovec& body, RightsSpace& rights) {
  msghdr packet{};
  packet.msg_iov = &body;
  packet.msg_iovlen = 1;
  packet.msg_control = rights.bytes;
  packet.msg_controllen = sizeof rights.bytes;
  return packet;
}

Status send_request(int socket, Request request, int answer_to) {
  RightsSpace space{};
  iovec body{&request, sizeof request};
  msghdr packet = packet_of(body, space);
  cmsghdr* rights = CMSG_FIRSTHDR(&packet);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof answer_to);
  std::memcpy(CMSG_DATA(rights), &answer_to, sizeof answer_to);
  const ssize_t sent = ::sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == static_cast<ssize_t>(sizeof request)) return {};
  return errno == EAGAIN ? Status{Code::again} : Status{Code::io, EPIPE};
}

// The descriptor to answer to, or -1 when the program has ended.
int receive_request(int socket, Request& request) {
  for (;;) {
    RightsSpace space{};
    iovec body{&request, sizeof request};
    msghdr packet = packet_of(body, space);
    const ssize_t n = ::recvmsg(socket, &packet, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    const cmsghdr* rights = CMSG_FIRSTHDR(&packet);
    if (n != static_cast<ssize_t>(sizeof request) || rights == nullptr) continue;
    int answer_to = -1;
    std::memcpy(&answer_to, CMSG_DATA(rights), sizeof answer_to);
    return answer_to;
  }
}

[[noreturn]] void answer_one(const Request& request, int answer_to, Resolver::LookUp look_up, pid_t keeper) {
  if (!tied_to(keeper)) ::_exit(1);
  ::alarm(request.deadline_s);
  Answer answer;
  answer.error = look_up(request.host, request.port, answer.addresses);
  ::send(answer_to, &answer, sizeof answer, MSG_NOSIGNAL);  // fails when it was cancelled
  ::_exit(0);
}

void set_signals() {
  // A terminal's ^C and a supervisor's SIGTERM go to all processes: the program ends by itself, in
  // order, and takes this one along.
  for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2})
    ::signal(ignored, SIG_IGN);
  ::signal(SIGCHLD, SIG_IGN);  // children vanish without being waited for
  ::signal(SIGALRM, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void close_all_but(int kept) {
  constexpr int kFirst = STDERR_FILENO + 1;
  if (kept != kFirst && ::dup2(kept, kFirst) != kFirst) ::_exit(1);
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, kFirst + 1, ~0U, 0) == 0) return;
#endif
  rlimit limit{};  // kernels before 5.9
  const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65'536;
  const int end = known ? static_cast<int>(limit.rlim_cur) : 65'536;
  for (int fd = kFirst + 1; fd < end; ++fd) ::close(fd);
}

[[noreturn]] void keep(int socket, Resolver::LookUp look_up, pid_t program) {
  set_signals();
  close_all_but(socket);
  socket = STDERR_FILENO + 1;
  ::prctl(PR_SET_NAME, "tocsin-names");
  if (!tied_to(program)) ::_exit(1);
  const pid_t self = ::getpid();
  for (;;) {
    Request request;
    const int answer_to = receive_request(socket, request);
    if (answer_to < 0) ::_exit(0);
    const pid_t child = ::fork();
    if (child == 0) {
      ::close(socket);
      answer_one(request, answer_to, look_up, self);
    }
    if (child < 0) {
      Answer answer;
      answer.error = EAI_MEMORY;
      ::send(answer_to, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    ::close(answer_to);
  }
}

void write_v4(const void* address, TextWriter& into) {
  const auto* bytes = static_cast<const std::uint8_t*>(address);
  for (int at = 0; at < 4; ++at) into.text(at == 0 ? "" : ".").number(bytes[at]);
}

// As RFC 5952 says: the first of the longest runs of groups of zero, if of two at least, is left out.
void write_v6(const in6_addr& address, TextWriter& into) {
  const auto group = [&address](std::size_t at) {
    return static_cast<unsigned>(address.s6_addr[2 * at] << 8 | address.s6_addr[2 * at + 1]);
  };
  const bool ends_in_v4 = IN6_IS_ADDR_V4MAPPED(&address);
  const std::size_t groups = ends_in_v4 ? 6 : 8;
  std::size_t run = 0, gap = 1, behind = 0;  // the gap's length, and the group behind it
  for (std::size_t at = 0; at < groups; ++at) {
    run = group(at) == 0 ? run + 1 : 0;
    if (run > gap) gap = run, behind = at + 1;
  }
  for (std::size_t at = 0; at < groups; ++at) {
    if (at + gap == behind) {
      into.text("::");
      at = behind - 1;
    } else {
      into.text(at == 0 || at == behind ? "" : ":").hex(group(at));
    }
  }
  if (ends_in_v4) {
    into.character(':');
    write_v4(&address.s6_addr[12], into);
  }
}

Status status_of(int error) {
  if (error == 0) return {};
  if (error == EAI_NONAME) return {Code::not_found, error};
#ifdef EAI_NODATA
  if (error == EAI_NODATA) return {Code::not_found, error};
#endif
  return {Code::io, error};
}

}  // namespace

// Not by inet_ntop: the C library's brings printf along, 11 KiB of a static program.
void write_address(const Address& address, TextWriter& into) {
  if (address.any.sa_family == AF_INET) return write_v4(&address.v4.sin_addr, into);
  if (address.any.sa_family == AF_INET6) write_v6(address.v6.sin6_addr, into);
}

Result<Address> parse_address(std::string_view host, std::uint16_t port) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = head(tail(host, 1), host.size() - 2);
  char text[INET6_ADDRSTRLEN] = {};
  if (host.size() >= sizeof text || find(host, '\0') != kNotFound) return Code::bad_value;
  if (!host.empty()) std::memcpy(text, host.data(), host.size());
  Address address;
  if (::inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    address.size = sizeof address.v4;
    return address;
  }
  address = Address{};
  if (::inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    address.size = sizeof address.v6;
    return address;
  }
  return Code::bad_value;
}

bool is_loopback(const Address& address) {
  if (address.any.sa_family == AF_INET) return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
  return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr) != 0;
}

int Resolver::system_look_up(const char* host, std::uint16_t port, Addresses& into) {
  return look_up_both(ask_system, host, port, into);
}

Status Resolver::start(LookUp look_up) {
  TOCSIN_ASSERT(socket_ < 0);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return last_error();
  const Fd theirs{ends[1]};
  const pid_t program = ::getpid();
  const pid_t keeper = ::fork();
  if (keeper == 0) keep(theirs.number(), look_up, program);
  socket_ = ends[0];
  if (keeper < 0) return last_error();
  keeper_ = keeper;
  return {};
}

Result<Resolver::Ticket> Resolver::begin(std::string_view host, std::uint16_t port, unsigned deadline_s) {
  if (!is_host_name(host)) return Code::bad_value;
  if (keeper_ == 0) return {Code::io, EPIPE};
  Request request;
  request.port = port;
  request.deadline_s = static_cast<std::uint16_t>(deadline_s > 0 ? deadline_s : 1);
  std::memcpy(request.host, host.data(), host.size());
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return last_error();
  Fd ours{ends[0]};
  const Fd theirs{ends[1]};
  TRY(send_request(socket_, request, theirs.number()));
  return ours.release();
}

Status Resolver::poll(Ticket ticket, Addresses& into) {
  Answer answer;
  const ssize_t n = ::recv(ticket, &answer, sizeof answer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Code::again;
  const Fd finished{ticket};
  if (n == static_cast<ssize_t>(sizeof answer)) {
    into = answer.addresses;
    return status_of(answer.error);
  }
  // The child is gone without an answer: by its own alarm, or together with the keeper.
  pollfd keeper{socket_, 0, 0};
  const bool alone = ::poll(&keeper, 1, 0) == 1 && (keeper.revents & POLLHUP) != 0;
  return alone ? Status{Code::io, EPIPE} : Status{Code::timeout};
}

void Resolver::cancel(Ticket ticket) { ::close(ticket); }

void Resolver::write_problem(Status failure, TextWriter& into) {
  if (failure.code() == Code::bad_value) {
    into.text("this is not a host name (check base_url)");
  } else if (failure.code() == Code::not_found) {
    into.text("name not known (check the name, and DNS: /etc/resolv.conf)");
  } else if (failure.code() == Code::timeout || failure.detail() == EAI_AGAIN) {
    into.text("no answer from DNS (check the network, and DNS: /etc/resolv.conf)");
  } else if (failure.detail() == EAI_MEMORY) {
    into.text("no memory or process for the look-up");
  } else if (failure.detail() == EPIPE) {
    into.text("the look-up process tocsin-names has ended (restart tocsin)");
  } else if (failure.code() == Code::again) {
    into.text("too many look-ups at once");
  } else if (failure.detail() < 0) {
    into.text("the look-up failed (getaddrinfo error ").signed_number(failure.detail());
    into.text("; check DNS: /etc/resolv.conf)");
  } else {
    write_errno(failure.detail(), into);
  }
}

}  // namespace tocsin
