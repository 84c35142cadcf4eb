#include "config/route_text.h"

#include "base/credential_fields.h"

#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sallyport::config {
namespace {

std::string doubled(std::string_view text) {
  std::string made;
  for (const char c : text) made.append(c == ';' ? 2 : 1, c);
  return made;
}

void describe(const FieldChanges& changes, std::string_view kind, std::vector<std::string>& out) {
  for (const std::string& name : changes.remove) out.push_back(fmt::format("remove-{}={}", kind, name));
  const auto value = [](const auto& field) -> std::string_view {
    return holds_credentials(field.first) ? std::string_view("...") : field.second;
  };
  for (const auto& field : changes.set)
    out.push_back(fmt::format("set-{}={}:{}", kind, field.first, value(field)));
  for (const auto& field : changes.add)
    out.push_back(fmt::format("add-{}={}:{}", kind, field.first, value(field)));
}

void describe(const PathRewrite& rewrite, std::vector<std::string>& out) {
  if (rewrite.kind == PathRewrite::Kind::prefix) out.push_back("prefix=" + rewrite.value);
  if (rewrite.kind == PathRewrite::Kind::whole) out.push_back("path=" + rewrite.value);
}

void describe(const Balancing& balancing, std::vector<std::string>& out) {
  switch (balancing.kind) {
    case Balancing::Kind::least_requests:
      return;
    case Balancing::Kind::round_robin:
      return out.emplace_back("balance=round-robin"), void();
    case Balancing::Kind::client_hash:
      return out.emplace_back("balance=client"), void();
    case Balancing::Kind::header_hash:
      return out.push_back("balance=header:" + balancing.header);
  }
}

void describe(const Patience& patience, std::vector<std::string>& out) {
  const Patience usual;
  const auto seconds = [&out](std::string_view name, Duration value, Duration normal) {
    if (value != normal) out.push_back(fmt::format("{}={:g}", name, in_seconds(value)));
  };
  seconds("timeout", patience.request, usual.request);
  seconds("backend-timeout", patience.backend, usual.backend);
  seconds("idle-timeout", patience.silence, usual.silence);
  if (patience.retries != usual.retries) out.push_back(fmt::format("retries={}", patience.retries));
  if (!patience.retry_status.empty())
    out.push_back(fmt::format("retry-on={}", fmt::join(patience.retry_status, ",")));
}

}  // namespace

std::string Route::name() const {
  return (host.empty() ? "*" : host) + doubled(path) + condition_options(*this);
}

std::string condition_options(const Route& route) {
  std::string text;
  if (route.path_match == PathMatch::exact) text += ";exact";
  if (route.path_match == PathMatch::regex) text += ";regex";
  const Conditions& all = route.conditions;
  if (!all.method.empty()) text += ";method=" + all.method;
  for (const FieldMatch& each : all.headers)
    text += fmt::format(";header{}={}:{}", each.is_regex ? "-regex" : "", each.name,
                        holds_credentials(each.name) ? "..." : doubled(each.value));
  for (const FieldMatch& each : all.query)
    text +=
        fmt::format(";query{}={}={}", each.is_regex ? "-regex" : "", doubled(each.name), doubled(each.value));
  return text;
}

std::vector<std::string> behaviour_options(const Route& route) {
  std::vector<std::string> out;
  describe(route.filters.request, "header", out);
  describe(route.filters.response, "response-header", out);
  if (!route.filters.host.empty()) out.push_back("host=" + route.filters.host);
  describe(route.redirect ? route.redirect->path : route.filters.path, out);
  describe(route.balancing, out);
  describe(route.patience, out);
  return out;
}

}  // namespace sallyport::config
