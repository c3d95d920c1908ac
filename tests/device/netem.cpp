// SPDX-License-Identifier: MIT
// Makes what leaves a network device late, lost, doubled or out of order, as `tc qdisc replace ... netem` does:
// netem eth0 DELAY_MS JITTER_MS LOSS_PERCENT DUPLICATE_PERCENT REORDER_PERCENT. All 0: as before.
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

struct {
  nlmsghdr head;
  tcmsg tc;
  unsigned char rest[512];
} request;

rtattr* add(unsigned short type, const void* data, size_t size) {
  auto* const made = reinterpret_cast<rtattr*>(reinterpret_cast<unsigned char*>(&request) + NLMSG_ALIGN(request.head.nlmsg_len));
  made->rta_type = type;
  made->rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  memcpy(reinterpret_cast<unsigned char*>(made) + RTA_LENGTH(0), data, size);
  request.head.nlmsg_len = static_cast<unsigned>(NLMSG_ALIGN(request.head.nlmsg_len) + RTA_ALIGN(made->rta_len));
  return made;
}

unsigned share(const char* percent) {
  return static_cast<unsigned>(atof(percent) / 100 * 4294967295.0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: netem DEVICE DELAY_MS JITTER_MS LOSS_PERCENT DUPLICATE_PERCENT REORDER_PERCENT\n");
    return 64;
  }
  request.head.nlmsg_len = NLMSG_LENGTH(sizeof(tcmsg));
  request.head.nlmsg_type = RTM_NEWQDISC;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
  request.tc.tcm_family = AF_UNSPEC;
  request.tc.tcm_ifindex = static_cast<int>(if_nametoindex(argv[1]));
  request.tc.tcm_parent = TC_H_ROOT;
  request.tc.tcm_handle = 0x10000;
  add(TCA_KIND, "netem", sizeof "netem");
  tc_netem_qopt options{};
  options.limit = 1000;
  options.loss = share(argv[4]);
  options.duplicate = share(argv[5]);
  const tc_netem_reorder reorder{share(argv[6]), 0};
  if (reorder.probability != 0) options.gap = 1;
  rtattr* const nest = add(TCA_OPTIONS, &options, sizeof options);
  const long long delay_ns = atoll(argv[2]) * 1000000, jitter_ns = atoll(argv[3]) * 1000000;
  add(TCA_NETEM_LATENCY64, &delay_ns, sizeof delay_ns);
  add(TCA_NETEM_JITTER64, &jitter_ns, sizeof jitter_ns);
  if (reorder.probability != 0) add(TCA_NETEM_REORDER, &reorder, sizeof reorder);
  nest->rta_len = static_cast<unsigned short>(reinterpret_cast<unsigned char*>(&request) + request.head.nlmsg_len -
                                              reinterpret_cast<unsigned char*>(nest));

  const int channel = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  alignas(nlmsghdr) unsigned char answer[1024];
  if (channel < 0 || send(channel, &request, request.head.nlmsg_len, 0) < 0 || recv(channel, answer, sizeof answer, 0) < 0) {
    perror("netem");
    return 1;
  }
  nlmsgerr result{};
  memcpy(&result, answer + NLMSG_HDRLEN, sizeof result);
  if (result.error != 0) fprintf(stderr, "netem: %s\n", strerror(-result.error));
  close(channel);
  return result.error == 0 ? 0 : 1;
}
