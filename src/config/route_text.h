// A route's options as text, as --route takes them (route_options.h).
#pragma once

#include "config/route.h"

#include <string>
#include <vector>

namespace sallyport::config {

/// ";exact;method=POST": what a request needs besides host and path; part of the name of a route. Of fields
/// that hold credentials without the value.
std::string condition_options(const Route& route);

/// "prefix=/new", "timeout=5": what the route changes, and how it forwards, where that is not the default.
/// For people: values of fields that hold credentials are left out.
std::vector<std::string> behaviour_options(const Route& route);

}  // namespace sallyport::config
