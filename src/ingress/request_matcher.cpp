#include "ingress/request_matcher.h"

#include "http/request_path.h"

#include <algorithm>

namespace sallyport::ingress {

RequestMatcher::RequestMatcher(const config::Conditions& conditions)
    : method_(conditions.method), headers_(ready(conditions.headers)), query_(ready(conditions.query)) {}

std::vector<RequestMatcher::Wanted> RequestMatcher::ready(const std::vector<config::FieldMatch>& matches) {
  std::vector<Wanted> made;
  for (const config::FieldMatch& match : matches) {
    Wanted wanted{.name = match.name, .value = match.value, .is_regex = match.is_regex, .regex = {}};
    if (match.is_regex)
      if (auto regex = Regex::make(match.value)) wanted.regex = *std::move(regex);
    made.push_back(std::move(wanted));
  }
  return made;
}

bool RequestMatcher::Wanted::takes(std::string_view found) const {
  return is_regex ? regex && regex->matches(found) : found == value;
}

bool RequestMatcher::takes(const http::Request& request) const {
  const std::string_view method =
      request.is_connect() && request.protocol == "websocket" ? std::string_view("GET") : request.method;
  if (!method_.empty() && method_ != method) return false;
  const auto has_header = [&request](const Wanted& wanted) {
    const auto found = request.fields.joined(wanted.name);
    return found && wanted.takes(*found);
  };
  const auto has_parameter = [&request](const Wanted& wanted) {
    const auto found = http::query_parameter(request.path, wanted.name);
    return found && wanted.takes(*found);
  };
  return std::ranges::all_of(headers_, has_header) && std::ranges::all_of(query_, has_parameter);
}

}  // namespace sallyport::ingress
