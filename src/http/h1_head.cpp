#include "http/h1_head.h"

#include "http/validation.h"

#include <algorithm>

#include <boost/beast/http/status.hpp>

namespace sallyport::http {
namespace {

bool is_target(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet > 0x20 && octet != 0x7f;
  });
}

}  // namespace

void put_status_line(std::string& out, unsigned status) {
  out += "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  // A phrase is no more than a courtesy (RFC 9112 §4).
  const auto known = boost::beast::http::int_to_status(status);
  if (known != boost::beast::http::status::unknown) out += boost::beast::http::obsolete_reason(known);
  out += "\r\n";
}

void put_field(std::string& out, std::string_view name, std::string_view value) {
  if (!is_field_name(name) || !is_field_value(value)) return;
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

void put_fields(std::string& out, const Fields& fields) {
  for (const Fields::Field field : fields)
    if (!is_connection_specific(field.name)) put_field(out, field.name, field.value);
}

bool put_request_line(std::string& out, const Request& request) {
  const bool upgrade = !request.protocol.empty();
  const std::string_view method = upgrade ? std::string_view("GET") : std::string_view(request.method);
  const std::string_view target =
      request.is_connect() && !upgrade ? std::string_view(request.authority) : request.path;
  if (!is_token(method) || !is_target(target)) return false;
  if (upgrade && !is_token(request.protocol)) return false;
  if (!request.authority.empty() && !is_authority(request.authority)) return false;
  out += method;
  out += ' ';
  out += target;
  out += " HTTP/1.1\r\n";
  return true;
}

bool is_bodiless(unsigned status, std::string_view method) {
  return status < 200 || status == 204 || status == 304 || method == "HEAD";
}

}  // namespace sallyport::http
