#include "http/h2_field_list.h"

#include "http/priority.h"
#include "http/validation.h"

namespace sallyport::http {

void H2FieldList::add(std::string_view name, std::string_view value) {
  // nghttp2 only reads them; its type just does not say so.
  const auto octets = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  const auto flags =
      static_cast<std::uint8_t>(holds_credentials(name) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
  pairs_.push_back({octets(name), octets(value), name.size(), value.size(), flags});
}

void H2FieldList::add(const Fields& fields) {
  for_each_sendable(fields, [this](const Fields::Field& field) { add(field.name, field.value); });
}

void H2FieldList::set(const Request& request) {
  pairs_.clear();
  add(":method", request.method);
  if (!request.is_connect() || !request.protocol.empty()) {
    add(":scheme", request.scheme);
    add(":path", request.path);
  }
  if (!request.authority.empty()) add(":authority", request.authority);
  if (!request.protocol.empty()) add(":protocol", request.protocol);
  add(request.fields);
  priority_ = format_priority(request.priority);
  if (!priority_.empty() && !request.fields.contains("priority")) add("priority", priority_);
}

void H2FieldList::set(const Response& response) {
  pairs_.clear();
  unsigned rest = response.status;
  for (std::size_t i = status_.size(); i-- > 0; rest /= 10) status_[i] = static_cast<char>('0' + rest % 10);
  add(":status", {status_.data(), status_.size()});
  add(response.fields);
}

void H2FieldList::set(const Fields& trailers) {
  pairs_.clear();
  add(trailers);
}

}  // namespace sallyport::http
