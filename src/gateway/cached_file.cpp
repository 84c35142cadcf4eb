#include "gateway/cached_file.h"

#include "http/connection.h"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::gateway {

void CachedFile::add_metadata(http::Fields& fields) const {
  if (generated) return fields.add("cache-control", "no-cache");
  if (settled) fields.add("last-modified", last_modified);
  fields.add("etag", validators.etag);
  fields.add("accept-ranges", "bytes");
}

const http::Response& CachedFile::ok_head(Replies& replies, const Incoming& in) {
  auto& clock = replies.clock();
  clock.text(in.exchange.connection().timers().now());
  auto found = std::ranges::find(prepared_, in.alt_svc.data(), &Prepared::alt_svc);
  if (found != prepared_.end() && found->tick == clock.tick()) return found->head;
  if (found == prepared_.end())
    found = prepared_.insert(prepared_.end(), Prepared{.alt_svc = in.alt_svc.data()});
  found->tick = clock.tick();
  found->head = http::Response{};
  auto& fields = found->head.fields;
  fields.add("content-type", type);
  fields.add("content-length", fmt::format_int(size).c_str());
  add_metadata(fields);
  replies.complete(in, found->head);
  return found->head;
}

}  // namespace sallyport::gateway
