// Terminal: tells a terminal that was closed from an operator who wants a reload, as both send SIGHUP. Used
// by Gateway.
#pragma once

namespace sallyport::gateway {

class Terminal {
 public:
  /// The controlling terminal of this process. To be made while SIGHUP is handled as whoever started us left
  /// it: where it is ignored (nohup), the gateway is to outlive its terminal.
  Terminal();
  /// Whether there was one whose end is to be ours.
  bool matters() const { return matters_; }
  /// Whether it matters and was closed, or is no longer ours as the shell that it belonged to ended.
  bool is_gone() const;

 private:
  bool matters_ = false;
};

}  // namespace sallyport::gateway
