#include "client/request_plan.h"

#include "http/validation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  text.remove_suffix(text.size() - std::min(text.find_last_not_of(blanks) + 1, text.size()));
  return text;
}

/// Why a field of this name is not the user's to set; empty where it is.
std::string_view why_not(std::string_view name) {
  if (name == "content-length" || name == "te" || http::is_connection_specific(name))
    return "is set by the HTTP version in use, which it would break";
  if (name == "proxy-authorization")
    return "is for hops, never for the origin; name their token with --token-file";
  return {};
}

bool is_ours(const RequestPlan& plan, std::string_view name) {
  return !plan.fields.contains(name) &&
         std::find(plan.left_out.begin(), plan.left_out.end(), name) == plan.left_out.end();
}

}  // namespace

bool RequestPlan::is_plain_get() const {
  return method == "GET" && !content && !fields.contains("range") && !fields.contains("if-range");
}

bool RequestPlan::is_repeatable() const {
  return http::is_idempotent(method) && is_content_repeatable();
}

Result<> add_field(RequestPlan& plan, std::string_view text) {
  const std::size_t end = text.find_first_of(":;");
  const std::string name = lowered(trimmed(text.substr(0, std::min(end, text.size()))));
  const auto wrong = [&name](std::string_view what) {
    return fail(ErrorKind::usage, fmt::format("-H '{}' {}", name, what));
  };
  if (end == std::string_view::npos || (text[end] == ';' && !trimmed(text.substr(end + 1)).empty()))
    return fail(ErrorKind::usage,
                "-H takes 'NAME: VALUE', 'NAME:' to leave one out, or 'NAME;' to send one without a value");
  if (!http::is_field_name(name)) return wrong("is not the name of a field");
  if (const auto why = why_not(name); !why.empty()) return wrong(why);
  const std::string_view value = trimmed(text.substr(end + 1));
  if (text[end] == ':' && value.empty()) {
    if (name == "host") return wrong("cannot be left out");
    plan.left_out.push_back(name);
    return {};
  }
  if (!http::is_field_value(value))
    return wrong("has a character in its value that no field may have, such as a line's end");
  if (name != "host") {
    plan.fields.add(name, value);
    return {};
  }
  if (!http::is_authority(value)) return wrong("has a value that is not HOST[:PORT]");
  plan.authority = value;
  return {};
}

http::Request make_request(const RequestPlan& plan, const dial::Url& url) {
  http::Request request;
  request.method = plan.method;
  request.authority = plan.authority.empty() ? url.authority() : plan.authority;
  request.path = url.target;
  const auto add_ours = [&](std::string_view name, std::string_view value) {
    if (is_ours(plan, name)) request.fields.add(name, value);
  };
  add_ours("user-agent", "sallyport/" SALLYPORT_VERSION);
  add_ours("accept", "*/*");
  if (plan.content) {
    if (!plan.content_type.empty()) add_ours("content-type", plan.content_type);
    if (const auto size = plan.content->size()) request.fields.add("content-length", std::to_string(*size));
  }
  for (const http::Fields::Field field : plan.fields) request.fields.add(field.name, field.value);
  return request;
}

RequestPlan redirected(RequestPlan plan, unsigned status) {
  const bool was_post = plan.method == "POST" && (status == 301 || status == 302);
  const bool see_other = status == 303 && plan.method != "HEAD";
  if (!was_post && !see_other) return plan;
  // RFC 9110 §15.4: the method may become GET, and then what spoke of the content goes.
  if (!plan.keep_method) plan.method = "GET";
  plan.content = nullptr;
  for (const std::string_view name :
       {"content-type", "content-encoding", "content-language", "content-location", "expect"})
    plan.fields.remove(name);
  return plan;
}

RequestPlan for_other_origin(RequestPlan plan) {
  plan.authority.clear();
  http::Fields fields;
  for (const http::Fields::Field field : plan.fields)
    if (!http::holds_credentials(field.name)) fields.add(field.name, field.value);
  plan.fields = std::move(fields);
  return plan;
}

}  // namespace sallyport::client
