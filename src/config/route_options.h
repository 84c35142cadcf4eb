// Reads the options of --route, NAME or NAME=VALUE: what a request needs besides host and path, what is
// changed in it, and how it is forwarded.
#pragma once

#include "base/result.h"
#include "config/route.h"

#include <string_view>

namespace sallyport::config {

/// Takes `option` into `route`, whose path and targets were read before. An error of kind usage is part of a
/// sentence: what is wrong, and the mend.
Result<> read_route_option(std::string_view option, Route& route);

/// Whether a route may have several options of this name.
bool may_be_repeated(std::string_view name);

}  // namespace sallyport::config
