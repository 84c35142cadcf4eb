// LinkWatch: tells of changes of one network device, whoever makes them: an administrator's `ip link set`,
// for instance. By rtnetlink's notifications (rtnetlink(7), RTNLGRP_LINK), of which the kernel passes only
// those about this device.
#pragma once

#include "base/result.h"
#include "net/event_loop.h"
#include "net/fd_watch.h"
#include "net/links.h"
#include "net/rtnetlink.h"

#include <functional>
#include <memory>

namespace sallyport::net {

class LinkWatch final : FdWatcher {
 public:
  /// Gets the device as it is after one or more changes, in a turn of the loop. May destroy the watch.
  using Changed = std::function<void(const Link&)>;
  /// In the network namespace of this thread. `index`: of the device. `loop` must outlive the watch.
  static Result<std::unique_ptr<LinkWatch>> open(EventLoop& loop, unsigned index, Changed changed);

 private:
  LinkWatch(Rtnetlink netlink, unsigned index, Changed changed)
      : netlink_(std::move(netlink)), index_(index), changed_(std::move(changed)) {}
  void on_readable() override;
  void on_writable() override {}

  Rtnetlink netlink_;
  const unsigned index_;
  const Changed changed_;
  FdWatch watch_;
};

}  // namespace sallyport::net
