#include "client/transcript.h"

#include "client/output_filter.h"

#include <utility>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

void append_fields(std::string& out, std::string_view mark, const http::Fields& fields) {
  for (const http::Fields::Field field : fields)
    fmt::format_to(std::back_inserter(out), "{}{}: {}\n", mark, field.name,
                   http::holds_credentials(field.name) ? hidden_value : field.value);
}

}  // namespace

std::string head_text(http::Version version, const http::Response& head) {
  std::string out = fmt::format("{} {} \r\n", http::to_string(version), head.status);
  for (const http::Fields::Field field : head.fields)
    fmt::format_to(std::back_inserter(out), "{}: {}\r\n", field.name, field.value);
  return out + "\r\n";
}

std::string request_lines(const http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  std::string out = fmt::format("> {} {} {}\n> host: {}\n", request.method, request.path,
                                http::to_string(exchange.version()), request.authority);
  append_fields(out, "> ", request.fields);
  return out;
}

std::string response_lines(http::Version version, const http::Response& head) {
  std::string out = fmt::format("< {} {}\n", http::to_string(version), head.status);
  append_fields(out, "< ", head.fields);
  return out;
}

/// "TLSv1.3 / TLS_AES_128_GCM_SHA256", as curl says it.
std::string tls_text(const dial::LinkFigures& link) {
  std::string out = link.tls.starts_with("TLS") ? "TLSv" + link.tls.substr(3) : link.tls;
  return link.cipher.empty() ? out : out + " / " + link.cipher;
}

std::string link_lines(std::span<const dial::LinkFigures> links) {
  std::string out;
  for (const dial::LinkFigures& link : links) {
    fmt::format_to(std::back_inserter(out), "* {}: {}", link.title, link.version);
    for (const std::string& more : {link.address, tls_text(link)})
      if (!more.empty()) out.append(", ").append(more);
    out += '\n';
  }
  return out;
}

Transcript::Transcript(Say say, Links links, HeadedOutput* heads)
    : say_(std::move(say)), links_(std::move(links)), heads_(heads) {}

void Transcript::on_request(const http::Exchange& exchange) {
  if (!say_) return;
  std::string lines;
  if (std::exchange(told_, &exchange.connection()) != &exchange.connection()) lines = link_lines(links_());
  say_(lines + request_lines(exchange));
}

Result<> Transcript::on_head(const http::Exchange& exchange, const http::Response& head) {
  if (say_) say_(response_lines(exchange.version(), head));
  return heads_ != nullptr ? heads_->write_head(head_text(exchange.version(), head)) : Result<>{};
}

}  // namespace sallyport::client
