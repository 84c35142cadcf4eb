// What a route changes in the requests and responses that it forwards, and what it answers by itself. Part of
// the Configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::config {

/// Of header fields, their names in lower case. Removed first, then set, then added.
struct FieldChanges {
  std::vector<std::string> remove;
  std::vector<std::pair<std::string, std::string>> set;  ///< in place of all that have the name
  std::vector<std::pair<std::string, std::string>> add;  ///< beside those that have it

  bool empty() const { return remove.empty() && set.empty() && add.empty(); }
  bool operator==(const FieldChanges&) const = default;
};

/// Of a request's path; its query stays.
struct PathRewrite {
  enum class Kind : std::uint8_t {
    none,
    prefix,  ///< `value` in place of the route's path, where that is a prefix
    whole,   ///< `value` in place of all
  };
  Kind kind = Kind::none;
  std::string value;  ///< begins with '/', and ends with none but in "/"

  bool operator==(const PathRewrite&) const = default;
};

struct Filters {
  FieldChanges request, response;
  std::string host;  ///< the Host that the backend gets; empty: the request's
  PathRewrite path;

  bool operator==(const Filters&) const = default;
};

/// Answers with another URL: the request's own but for what is given here.
struct Redirect {
  std::string scheme;                 ///< "http", "https"; empty: the request's
  std::string host;                   ///< as net::parse_host() has it; empty: the request's
  std::optional<std::uint16_t> port;  ///< nullopt: the scheme's own where one is given, else the request's
  PathRewrite path;
  unsigned status = 302;

  bool operator==(const Redirect&) const = default;
};

/// Answers without a backend.
struct DirectResponse {
  unsigned status = 404;
  std::string body;  ///< text/plain

  bool operator==(const DirectResponse&) const = default;
};

}  // namespace sallyport::config
