// What flags of several commands hold, as the layers below take it.
#pragma once

#include "base/time.h"
#include "quic/config.h"

#include <string>

namespace sallyport::cli {

/// A number of seconds.
Duration seconds(double value);

/// "cubic", "bbr" or "reno".
quic::CongestionControl congestion_control(const std::string& name);

}  // namespace sallyport::cli
