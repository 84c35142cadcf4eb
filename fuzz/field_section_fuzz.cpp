// An encoded field section, and what a peer's QPACK encoder says before it: whatever passes as valid has to
// be safe to forward.
#include "http/h3_qpack.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace sallyport;

void check(const http::Fields& fields) {
  for (const http::Fields::Field field : fields) {
    if (!http::is_field_name(field.name) || !http::is_field_value(field.value)) std::abort();
    if (http::is_connection_specific(field.name)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Bytes in(data, size);
  const std::size_t instructions = std::min<std::size_t>(in[0], in.size() - 2);
  const bool request = (in[1] & 1) != 0;
  in = in.subspan(2);
  http::QpackDecoder decoder;
  if (!decoder.read_encoder_stream(in.first(instructions))) return 0;
  in = in.subspan(instructions);

  const http::Limits limits{.max_section_size = 2000, .max_fields = 20, .max_path = 100};
  http::HeadBuilder builder(limits);
  http::Request head;
  http::Response response;
  if (request)
    builder.begin_request(head, http::Version::http3, true);
  else
    builder.begin_response(response, http::Version::http3);
  http::QpackContext context;
  const auto done = decoder.decode(0, context, in, builder);
  static_cast<void>(decoder.take_instructions());
  if (!done || !*done || !builder.finish().ok()) return 0;
  if (builder.section_size() > limits.max_section_size) std::abort();
  if (request) {
    check(head.fields);
    if (head.fields.contains("host") || head.path.size() > limits.max_path || !http::is_token(head.method))
      std::abort();
  } else {
    check(response.fields);
    if (response.status < 100 || response.status > 999) std::abort();
  }
  return 0;
}
