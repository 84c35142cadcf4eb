#include "files/cached_file.h"

#include "http/connection.h"
#include "http/http_date.h"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::files {

void CachedFile::seen_at(const FileTime& now) {
  const std::int64_t date = identity.modified.seconds;
  validators.modified = date;
  // The file may change again within the second of its date; and a date later than the response's Date is not
  // allowed (RFC 9110 §8.8.2.1).
  const bool past = date < now.seconds && date >= http::first_http_date;
  if (last_modified.empty() && past) last_modified = http::format_http_date(date);
  if (!past) last_modified.clear();
  // A strong validator (RFC 9110 §8.8.2.2) only where the date cannot have been set back: where ctime is not
  // later than it.
  validators.date_is_strong = past && identity.changed.seconds == date;
}

void CachedFile::add_metadata(http::Fields& fields) const {
  if (generated) return fields.add("cache-control", "no-cache");
  if (!last_modified.empty()) fields.add("last-modified", last_modified);
  if (!validators.etag.empty()) fields.add("etag", validators.etag);
  fields.add("accept-ranges", "bytes");
}

const http::Response& CachedFile::ok_head(http::Replies& replies, const http::Incoming& in) {
  auto& clock = replies.clock();
  clock.text(in.exchange.connection().timers().now());
  auto found = std::ranges::find(prepared_, in.alt_svc, &Prepared::alt_svc);
  if (found != prepared_.end() && found->tick == clock.tick()) return found->head;
  if (found == prepared_.end()) {
    // Those of listeners that are gone, or changed, go.
    constexpr std::size_t most = 16;
    if (prepared_.size() >= most) prepared_.clear();
    found = prepared_.insert(prepared_.end(), Prepared{.alt_svc = std::string(in.alt_svc)});
  }
  found->tick = clock.tick();
  found->head = http::Response{};
  auto& fields = found->head.fields;
  fields.add("content-type", type);
  fields.add("content-length", fmt::format_int(size).c_str());
  add_metadata(fields);
  replies.complete(in, found->head);
  return found->head;
}

}  // namespace sallyport::files
