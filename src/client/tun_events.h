// TunEvents: what becomes of a `sallyport tun` as lines of JSON, one object each, for programs (docs/tun.md,
// "Events").
#pragma once

#include "client/tun.h"

#include <functional>
#include <string>

namespace sallyport::client {

class TunEvents final : public TunWatcher {
 public:
  /// `write` gets each line, with its line feed.
  explicit TunEvents(std::function<void(const std::string& line)> write) : write_(std::move(write)) {}

  void on_opened(const TunDeviceFigures& device) override;
  void on_addresses(const TunDeviceFigures& device) override;
  void on_routes(const TunDeviceFigures& device) override;
  void on_mtu(const TunDeviceFigures& device) override;
  void figures(const TunFigures& figures);
  /// The last one. `reason`: a sentence; empty where it was told to end.
  void closed(const std::string& reason, const TunFigures& figures);

 private:
  std::function<void(const std::string&)> write_;
};

}  // namespace sallyport::client
