// Reads --route of `sallyport gateway`: HOST[/PATH]=URL[#WEIGHT][,URL[#WEIGHT]...].
#pragma once

#include "base/result.h"
#include "config/route.h"

#include <string_view>

namespace sallyport::config {

/// An error of kind usage names the flag, what is wrong, and the mend.
Result<Route> parse_route(std::string_view text);

}  // namespace sallyport::config
