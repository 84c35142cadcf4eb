#include "cli/flag_values.h"

namespace sallyport::cli {

Duration seconds(double value) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

quic::CongestionControl congestion_control(const std::string& name) {
  return name == "bbr"    ? quic::CongestionControl::bbr
         : name == "reno" ? quic::CongestionControl::reno
                          : quic::CongestionControl::cubic;
}

}  // namespace sallyport::cli
