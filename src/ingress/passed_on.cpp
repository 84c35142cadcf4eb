#include "ingress/passed_on.h"

#include "http/connection.h"

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace sallyport::ingress {
namespace {

/// Said by this gateway alone.
bool is_ours_to_say(std::string_view name) {
  return name == "forwarded" || name == "x-request-id" || name == "early-data" ||
         name.starts_with("x-forwarded-");
}

/// As Via has it (RFC 9110 §7.6.3).
std::string_view via(http::Version version) {
  switch (version) {
    case http::Version::http1_0:
      return "1.0 sallyport";
    case http::Version::http1_1:
      return "1.1 sallyport";
    case http::Version::http2:
      return "2.0 sallyport";
    case http::Version::http3:
      return "3.0 sallyport";
  }
  return "1.1 sallyport";
}

}  // namespace

http::Request request_for_backend(const http::Exchange& client, std::string_view scheme, Random& random) {
  const http::Request& from = client.request();
  const http::ConnectionInfo& info = client.connection().info();
  http::Request made;
  made.method = from.method;
  made.scheme = scheme;
  made.authority = from.authority;
  made.path = from.path;
  made.protocol = from.protocol;
  made.priority = from.priority;
  for (const http::Fields::Field field : from.fields)
    if (!is_ours_to_say(field.name)) made.fields.add(field.name, field.value);
  made.fields.add("via", via(client.version()));
  made.fields.add("x-forwarded-for", info.path.remote.ip().unmapped().to_string());
  made.fields.add("x-forwarded-proto", info.tls.empty() ? "http" : "https");
  if (!from.authority.empty()) made.fields.add("x-forwarded-host", from.authority);
  made.fields.add("x-request-id", fmt::format("{:016x}{:016x}", random.next_u64(), random.next_u64()));
  if (from.early_data) made.fields.add("early-data", "1");  // RFC 8470 §5.1
  return made;
}

http::Response response_for_client(const http::Response& backend) {
  http::Response made{.status = backend.status, .fields = {}};
  // It speaks of another origin's ports; this one's is said by Replies.
  for (const http::Fields::Field field : backend.fields)
    if (field.name != "alt-svc") made.fields.add(field.name, field.value);
  return made;
}

}  // namespace sallyport::ingress
