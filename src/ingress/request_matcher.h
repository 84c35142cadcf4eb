// RequestMatcher: whether a request has what a route wants besides host and path; config::Conditions, made
// ready to be tried. Immutable.
#pragma once

#include "base/regex.h"
#include "config/route_match.h"
#include "http/message.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::ingress {

class RequestMatcher {
 public:
  /// A regular expression that RE2 does not take matches nothing.
  explicit RequestMatcher(const config::Conditions& conditions);
  bool takes(const http::Request& request) const;

 private:
  struct Wanted {
    std::string name, value;
    bool is_regex;
    std::optional<Regex> regex;

    bool takes(std::string_view found) const;
  };
  static std::vector<Wanted> ready(const std::vector<config::FieldMatch>& matches);

  std::string method_;
  std::vector<Wanted> headers_, query_;
};

}  // namespace sallyport::ingress
