#include "cli/request_flags.h"

#include "base/file.h"
#include "cli/command.h"
#include "cli/flag_values.h"
#include "http/validation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

constexpr std::size_t largest_file = 256 * 1024 * 1024;  // that is held in memory

Result<std::string> joined_data(const RequestFlags& flags) {
  std::string all;
  auto append = [&all, first = true](std::string_view text) mutable {
    if (!std::exchange(first, false)) all += '&';
    all += text;
  };
  for (const std::string& value : flags.data) {
    auto text = text_or_file("-d", value);
    if (!text) return text;
    // As curl does with what comes from a file.
    if (value.starts_with('@'))
      std::erase_if(*text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
    append(*text);
  }
  for (const std::string& value : flags.binary_data) {
    auto text = text_or_file("--data-binary", value);
    if (!text) return text;
    append(*text);
  }
  return all;
}

Result<> set_content(const RequestFlags& flags, client::GetOptions& options) {
  client::RequestPlan& plan = options.request;
  const bool posts = !flags.data.empty() || !flags.binary_data.empty();
  if (posts) {
    auto data = joined_data(flags);
    if (!data) return std::unexpected(data.error());
    plan.method = "POST";
    plan.content_type = "application/x-www-form-urlencoded";
    plan.content = client::Content::of_text(std::move(*data));
  }
  if (!flags.upload.empty()) {
    auto content = client::Content::of_file(flags.upload);
    if (!content) return of_flag("-T", content.error());
    plan.method = "PUT";
    plan.content = std::move(*content);
    if (!plan.content->is_repeatable() && (options.jobs.size() > 1 || options.repeat > 1))
      return fail(
          ErrorKind::usage,
          fmt::format("-T {} can be read once only, so it cannot be sent several times", flags.upload));
    for (client::GetJob& job : options.jobs)
      if (job.url.target.ends_with('/') && flags.upload != "-")
        job.url.target +=
            dial::encoded_segment(std::string_view(flags.upload).substr(flags.upload.rfind('/') + 1));
  }
  if (flags.head) plan.method = "HEAD";
  if (flags.method.empty()) return {};
  if (!http::is_token(flags.method) || flags.method == "CONNECT")
    return fail(ErrorKind::usage,
                fmt::format("-X {}: that is no method for a request of a resource", flags.method));
  plan.method = flags.method;
  plan.keep_method = true;
  return {};
}

/// Which flag makes the response one that is taken as it comes; empty for none.
std::string whole_response_flag(const RequestFlags& flags, const client::RequestPlan& plan) {
  if (flags.include) return "-i";
  if (flags.head) return "-I";
  if (plan.content) return flags.upload.empty() ? "-d" : "-T";
  if (plan.method != "GET") return "-X " + plan.method;
  if (!plan.is_plain_get()) return "-H Range";
  if (flags.fail_with_body) return "--fail-with-body";
  return flags.fail ? "" : "--no-fail";
}

}  // namespace

Result<std::string> text_or_file(std::string_view flag, const std::string& value) {
  if (!value.starts_with('@')) return value;
  const std::string path = value == "@-" ? "/dev/stdin" : value.substr(1);
  auto content = read_file(path, largest_file);
  if (!content) return of_flag(flag, content.error());
  return content;
}

Result<> add_headers(const std::vector<std::string>& values, client::RequestPlan& plan) {
  for (const std::string& value : values) {
    const auto text = text_or_file("-H", value);
    if (!text) return std::unexpected(text.error());
    if (!value.starts_with('@')) {
      if (auto added = client::add_field(plan, *text); !added) return added;
      continue;
    }
    for (std::string_view rest = *text; !rest.empty();) {
      std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      if (auto added = client::add_field(plan, line); !added) return added;
    }
  }
  return {};
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc() || end - rest > 1) return std::nullopt;
  if (rest != end) {
    constexpr std::string_view units = "kmgt";
    const std::size_t unit = units.find(static_cast<char>(*rest | 0x20));
    if (unit == std::string_view::npos) return std::nullopt;
    value *= std::pow(1024.0, static_cast<double>(unit + 1));
  }
  constexpr double largest = 1e18;
  if (!(value >= 1 && value <= largest)) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

void add_request_flags(CLI::App& app, RequestFlags& flags) {
  app.add_flag("-i,--include", flags.include, "Write the response's header section before its body");
  app.add_flag("-I,--head", flags.head, "Send HEAD, and write the response's header section");
  app.add_flag("-v,--verbose", flags.verbose,
               "Log requests and responses on standard error, without credentials");
  app.add_option(
         "-H,--header", flags.headers,
         "Send this field, in place of get's own of that name; 'NAME:' leaves one out; @FILE has one a line")
      ->type_name("'NAME: VALUE'")
      ->allow_extra_args(false);
  app.add_flag("-f,--fail,!--no-fail", flags.fail,
               "Fail on a status other than 2xx (the default); --no-fail writes the body "
               "whatever the status is");
  app.add_flag("--fail-with-body", flags.fail_with_body,
               "Fail by the status, but write the body all the same");
  app.add_option("-m,--max-time", flags.max_time, "Abort a download after this many seconds")
      ->type_name("S")
      ->check(CLI::Range(0.001, 1e9));
  auto* data =
      app.add_option("-d,--data", flags.data,
                     "POST this, or with @FILE what is in FILE without line ends; several are joined by '&'")
          ->type_name("DATA")
          ->allow_extra_args(false);
  auto* binary =
      app.add_option("--data-binary", flags.binary_data, "POST this, or with @FILE what is in FILE as it is")
          ->type_name("DATA")
          ->allow_extra_args(false);
  auto* upload = app.add_option("-T,--upload-file", flags.upload,
                                "PUT this file ('-': standard input), to its name where the URL ends in '/'")
                     ->type_name("FILE");
  upload->excludes(data)->excludes(binary);
  app.add_option("-X,--request", flags.method, "Send this method")->type_name("METHOD");
  app.add_option("--retry", flags.retries, "Retry a download this many times after a transient failure")
      ->type_name("N")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--retry-delay", flags.retry_wait,
                 "Seconds between retries; by default what Retry-After says, or 1, doubled each time")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86400.0));
  app.add_option("--limit-rate", flags.rate_limit,
                 "Bytes a second at most, of each download and upload: 500, 200k, 1.5M")
      ->type_name("RATE");
}

Result<> apply_request_flags(const RequestFlags& flags, client::GetOptions& options) {
  if (flags.head && !(flags.data.empty() && flags.binary_data.empty() && flags.upload.empty()))
    return fail(ErrorKind::usage, "-I sends HEAD, which has no body; leave out -d and -T, or take -i");
  if (auto set = set_content(flags, options); !set) return set;
  if (auto added = add_headers(flags.headers, options.request); !added) return added;
  if (const std::string flag = whole_response_flag(flags, options.request); !flag.empty()) {
    if (options.resume)
      return fail(
          ErrorKind::usage,
          fmt::format("--resume goes on with a plain download, which {} does not make; leave one of them out",
                      flag));
    if (options.streams > 1 && options.jobs.size() == 1)
      return fail(
          ErrorKind::usage,
          fmt::format("-n splits a plain download, which {} does not make; leave one of them out", flag));
  }
  if (flags.retry_wait && flags.retries == 0)
    return fail(ErrorKind::usage, "--retry-delay is between the tries of --retry N, which is not given");
  if (flags.fail_with_body && !flags.fail)
    return fail(
        ErrorKind::usage,
        "--fail-with-body and --no-fail contradict each other: the one fails by the status, the other "
        "does not");
  options.heads_in_output = flags.include || flags.head;
  options.take_any_status = !flags.fail || flags.fail_with_body;
  options.status_fails = flags.fail || flags.fail_with_body;
  options.max_time = seconds(flags.max_time);
  options.retries = flags.retries;
  if (flags.retry_wait) options.retry_wait = seconds(*flags.retry_wait);
  if (flags.rate_limit.empty()) return {};
  const auto rate = parse_size(flags.rate_limit);
  if (!rate)
    return fail(ErrorKind::usage,
                fmt::format("--limit-rate {}: it takes bytes a second, 1 or more, as 500, 200k or 1.5M",
                            flags.rate_limit));
  options.rate_limit = *rate;
  return {};
}

}  // namespace sallyport::cli
