// A packet's plain payload as a hostile peer may fill it: decoded, as a whole and as a skeleton, and written
// as JSON. The same bytes also stand for transport parameters.
#include "base/escape.h"
#include "trace/qlog_frames.h"
#include "trace/quic_frames.h"
#include "trace/transport_parameters.h"

#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace sallyport;

std::string frames_as_json(trace::FrameReader reader, std::size_t size) {
  std::string out;
  trace::JsonText json(out);
  std::size_t covered = 0;
  json.begin_array();
  while (const auto frame = reader.next()) {
    covered += frame->size;
    write_frame(json, *frame, 20);
    if (frame->kind == trace::FrameKind::ack)
      for_each_acked(*frame, [](std::uint64_t low, std::uint64_t high) {
        if (low > high) std::abort();
      });
  }
  json.end_array();
  if (covered + reader.left() != size || (reader.left() != 0) != reader.malformed()) std::abort();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes payload{data, size};
  std::vector<std::uint8_t> skeleton(size);
  skeleton.resize(trace::copy_skeleton(payload, skeleton.data()));
  const std::string whole = frames_as_json(trace::FrameReader(payload), size);
  if (whole != frames_as_json(trace::FrameReader(skeleton, size), size)) std::abort();
  if (!sallyport::is_utf8(whole)) std::abort();

  std::string parameters;
  trace::JsonText json(parameters);
  trace::write_transport_parameters(json, payload, size);
  if (parameters.size() > 16 * 1024 || trace::ack_delay_exponent_of(payload) > 20) std::abort();
  return 0;
}
