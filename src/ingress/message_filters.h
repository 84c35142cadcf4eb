// What the filters of a route (config::Filters, config::Redirect) make of a request and of its response.
#pragma once

#include "config/route.h"
#include "http/fields.h"
#include "http/message.h"

#include <string>
#include <string_view>

namespace sallyport::ingress {

void apply(const config::FieldChanges& changes, http::Fields& fields);

/// The path, with its query, in place of `target`. `prefix`: the path of the route, as many segments of which
/// `target` begins with.
std::string rewritten(const config::PathRewrite& rewrite, std::string_view prefix, std::string_view target);

/// The Location of a redirect. `clear`: the request came without TLS. Empty where the request names no host,
/// and the redirect neither.
std::string location_of(const config::Redirect& redirect, std::string_view prefix,
                        const http::Request& request, bool clear);

}  // namespace sallyport::ingress
