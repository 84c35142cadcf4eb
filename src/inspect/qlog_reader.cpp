#include "inspect/qlog_reader.h"

#include "inspect/byte_source.h"
#include "inspect/contained_qlog.h"
#include "inspect/qlog_normalizer.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <boost/json.hpp>

namespace sallyport::inspect {
namespace {

namespace json = boost::json;

constexpr char record_separator = '\x1e';
constexpr std::size_t max_record = 32 * 1024 * 1024;
constexpr std::string_view blank = " \t\r\n";

json::parse_options parse_options() {
  json::parse_options options;
  options.max_depth = 64;
  return options;
}

std::unexpected<Error> bad(const std::string& name, std::string_view where, std::string_view what) {
  return fail(ErrorKind::file,
              "cannot read the qlog " + name + ": " + std::string(where) + std::string(what));
}

std::string_view trim(std::string_view text) {
  const std::size_t start = text.find_first_not_of(blank);
  if (start == text.npos) return {};
  return text.substr(start, text.find_last_not_of(blank) - start + 1);
}

bool is_trace_header(const json::value& value) {
  const json::object* object = value.if_object();
  return object && object->contains("trace") && !object->contains("traces");
}

bool is_qlog_header(const json::object& object) {
  return object.contains("trace") || object.contains("qlog_version") || object.contains("file_schema");
}

/// JSON-SEQ (RFC 7464) or one JSON value a line: a header, then events.
class Sequence {
 public:
  Sequence(ByteSource& source, QlogSink& sink, char separator)
      : source_(source), sink_(sink), separator_(separator), pool_(pool_bytes_.data(), pool_bytes_.size()) {}

  Result<> read() {
    std::string record;
    for (;;) {
      const auto piece = source_.next();
      if (!piece) return fail(piece.error().kind, piece.error().message, piece.error().code);
      if (piece->empty()) break;
      std::string_view rest = *piece;
      for (std::size_t end = rest.find(separator_); end != rest.npos; end = rest.find(separator_)) {
        record.append(rest.substr(0, end));
        rest.remove_prefix(end + 1);
        if (const Result<> done = one(record, false); !done || stopped_) return done;
        record.clear();
      }
      record.append(rest);
      if (record.size() > max_record) return complain("it is longer than 32 MiB");
    }
    if (const Result<> done = one(record, true); !done || stopped_) return done;
    if (!trace_) return bad(source_.name(), "", "it holds no header");
    return {};
  }

 private:
  std::unexpected<Error> complain(std::string_view what) {
    return bad(source_.name(), "record " + std::to_string(number_) + ": ", what);
  }

  Result<> one(std::string_view record, bool is_last) {
    // RFC 7464 §2.3: only a record that ends in a line feed is known to be complete.
    const bool may_be_cut = is_last && (record.empty() || record.back() != '\n');
    record = trim(record);
    if (record.empty()) return {};
    ++number_;
    json::error_code error;
    pool_.release();
    parser_.reset(&pool_);
    parser_.write(record.data(), record.size(), error);
    if (error && may_be_cut && trace_) {
      sink_.on_cut();
      return {};
    }
    if (error) return complain(error.message());
    return value(parser_.release());
  }

  Result<> value(const json::value& value) {
    if (!trace_) {
      const json::object* header = value.if_object();
      if (!header || !is_qlog_header(*header)) return complain("it is not the header of a qlog");
      const json::value* inner = header->if_contains("trace");
      const json::value* title = header->if_contains("title");
      trace_.emplace(
          inner && inner->is_object() ? inner->get_object() : json::object(),
          title && title->is_string() ? std::string_view(title->get_string()) : std::string_view());
      sink_.on_trace(0, trace_->trace());
      return {};
    }
    if (const char* wrong = trace_->read(value, event_)) return complain(wrong);
    stopped_ = !sink_.on_event(0, event_);
    return {};
  }

  ByteSource& source_;
  QlogSink& sink_;
  const char separator_;
  std::vector<unsigned char> pool_bytes_ = std::vector<unsigned char>(64 * 1024);
  json::monotonic_resource pool_;  ///< holds one record at a time
  json::parser parser_{json::storage_ptr(), parse_options()};
  std::optional<QlogNormalizer> trace_;
  QlogEvent event_;
  std::size_t number_ = 0;
  bool stopped_ = false;
};

/// Feeds the whole of `source`.
Result<> feed(ByteSource& source, ContainedQlog& document) {
  const auto named = [&](const Result<>& result) -> Result<> {
    if (result) return {};
    return bad(source.name(), "", result.error().message);
  };
  for (;;) {
    const auto piece = source.next();
    if (!piece) return fail(piece.error().kind, piece.error().message, piece.error().code);
    if (piece->empty()) return named(document.finish());
    if (const Result<> fed = document.feed(*piece); !fed) return named(fed);
    if (document.is_stopped()) return {};
  }
}

/// A trace's header members may follow its events, so the document is read twice.
Result<> read_contained(ByteSource& source, QlogSink& sink) {
  std::vector<QlogNormalizer> traces;
  ContainedQlog headers([&](std::size_t, const json::object& header) { traces.emplace_back(header); },
                        nullptr);
  if (const Result<> fed = feed(source, headers); !fed) return fed;
  if (traces.empty()) return bad(source.name(), "", "it holds no traces");
  for (std::size_t i = 0; i < traces.size(); ++i) sink.on_trace(i, traces[i].trace());

  QlogEvent event;
  std::size_t number = 0, trace_before = 0;
  const char* wrong = nullptr;
  const auto on_event = [&](std::size_t trace, const json::value& value) {
    number = trace == trace_before ? number + 1 : 1;
    trace_before = trace;
    if (trace >= traces.size()) return false;  // the file changed between the readings
    wrong = traces[trace].read(value, event);
    return !wrong && sink.on_event(trace, event);
  };
  source.rewind();
  ContainedQlog events([](std::size_t, const json::object&) {}, on_event);
  if (const Result<> fed = feed(source, events); !fed) return fed;
  if (wrong) return bad(source.name(), "event " + std::to_string(number) + ": ", wrong);
  return {};
}

Result<> read(ByteSource& source, QlogSink& sink) {
  const auto piece = source.next();
  if (!piece) return fail(piece.error().kind, piece.error().message, piece.error().code);
  std::string_view front = *piece;
  front.remove_prefix(std::min(front.find_first_not_of(blank), front.size()));
  if (front.empty()) return bad(source.name(), "", "it is empty");
  const std::string_view line = front.substr(0, front.find('\n'));
  const char first = front.front();
  source.rewind();
  if (first == record_separator) return Sequence(source, sink, record_separator).read();
  if (first != '{') return bad(source.name(), "", "it is not JSON (is it compressed?)");
  json::error_code error;
  const json::value value = json::parse({line.data(), line.size()}, error, {}, parse_options());
  if (!error && is_trace_header(value)) return Sequence(source, sink, '\n').read();
  return read_contained(source, sink);
}

Result<> guarded(ByteSource& source, QlogSink& sink) {
  try {
    return read(source, sink);
  } catch (const std::exception& thrown) {  // Boost.JSON and the allocator, on input made to exhaust them
    return bad(source.name(), "", thrown.what());
  }
}

}  // namespace

Result<> read_qlog(const std::string& path, QlogSink& sink) {
  auto source = ByteSource::open(path);
  if (!source) return fail(source.error().kind, source.error().message, source.error().code);
  return guarded(*source, sink);
}

Result<> read_qlog(Bytes bytes, const std::string& name, QlogSink& sink) {
  ByteSource source(bytes, name);
  return guarded(source, sink);
}

}  // namespace sallyport::inspect
