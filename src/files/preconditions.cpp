#include "files/preconditions.h"

#include "http/http_date.h"

#include <string_view>

namespace sallyport::files {
namespace {

/// Whether the list of entity tags in `field` contains ours. Ours are strong: a weak one matches only with
/// `weak` comparison.
bool lists_tag(std::string_view field, std::string_view etag, bool weak) {
  if (field == "*") return true;
  while (!field.empty()) {
    const char c = field.front();
    if (c == ' ' || c == '\t' || c == ',') {
      field.remove_prefix(1);
      continue;
    }
    const bool is_weak = field.starts_with("W/");
    if (is_weak) field.remove_prefix(2);
    const auto end = field.starts_with('"') ? field.find('"', 1) : std::string_view::npos;
    if (end == std::string_view::npos) return false;
    if ((weak || !is_weak) && field.substr(0, end + 1) == etag) return true;
    field.remove_prefix(end + 1);
  }
  return false;
}

/// A field with an invalid date is ignored (RFC 9110 §13.1.3, §13.1.4).
std::optional<std::int64_t> date_of(const http::Fields& fields, std::string_view name, std::int64_t now) {
  const auto value = fields.find(name);
  return value ? http::parse_http_date(*value, now) : std::nullopt;
}

}  // namespace

Precondition check_preconditions(const http::Fields& fields, const Validators& current, std::int64_t now) {
  if (const auto tags = fields.joined("if-match")) {
    if (!lists_tag(*tags, current.etag, false)) return Precondition::failed;
  } else if (const auto since = date_of(fields, "if-unmodified-since", now);
             since && current.modified > *since) {
    return Precondition::failed;
  }
  if (const auto tags = fields.joined("if-none-match")) {
    if (lists_tag(*tags, current.etag, true)) return Precondition::not_modified;
  } else if (const auto since = date_of(fields, "if-modified-since", now);
             since && current.modified <= *since) {
    return Precondition::not_modified;
  }
  return Precondition::proceed;
}

bool range_applies(const http::Fields& fields, const Validators& current, std::int64_t now) {
  const auto condition = fields.find("if-range");
  if (!condition) return true;
  if (condition->starts_with('"') || condition->starts_with("W/")) return *condition == current.etag;
  return current.date_is_strong && http::parse_http_date(*condition, now) == current.modified;
}

}  // namespace sallyport::files
