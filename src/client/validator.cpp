#include "client/validator.h"

namespace sallyport::client {

std::string range_validator(const http::Response& head) {
  if (const auto etag = head.fields.find("etag"))
    return etag->starts_with("W/") ? std::string() : std::string(*etag);
  // What changed within the second of the answer may change again within it. (Both are the server's clock in
  // the same form, and Last-Modified is never the later one: it is enough that they differ.)
  const auto modified = head.fields.find("last-modified"), date = head.fields.find("date");
  return modified && date && *modified != *date ? std::string(*modified) : std::string();
}

bool contradicts(const http::Response& head, const std::string& sent) {
  const auto said = head.fields.find(sent.starts_with('"') ? "etag" : "last-modified");
  return said && *said != sent;
}

}  // namespace sallyport::client
