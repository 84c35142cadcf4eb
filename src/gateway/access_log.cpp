#include "gateway/access_log.h"

#include "base/random.h"
#include "http/connection.h"
#include "tls/client_certificate.h"

#include <chrono>
#include <system_error>
#include <utility>

namespace sallyport::gateway {
namespace {

void append_line(AccessFormat format, Bytes record, std::string& out) {
  const AccessRecord decoded = AccessRecord::decode(record);
  format == AccessFormat::json ? append_json(decoded, out) : append_common(decoded, out);
}

constexpr std::string_view flag = "--access-log";

}  // namespace

Result<> AccessLog::check(const std::string& file) {
  return trace::FileSink::check(file, flag);
}

Result<std::shared_ptr<AccessLog>> AccessLog::open(const std::string& file, AccessFormat format) {
  auto sink = trace::FileSink::open(file, flag);
  if (!sink) return std::unexpected(std::move(sink.error()));
  try {
    return std::make_shared<AccessLog>(std::move(*sink), format);
  } catch (const std::system_error& no_thread) {
    return fail(ErrorKind::resource,
                std::string("cannot start the thread that writes the access log: ") + no_thread.what());
  }
}

AccessLog::AccessLog(std::unique_ptr<trace::LineSink> sink, AccessFormat format,
                     trace::LineWriterOptions options)
    : writer_(
          "access log", std::move(sink),
          [format](Bytes record, std::string& out) { append_line(format, record, out); }, options) {}

std::unique_ptr<WorkerAccessLog> AccessLog::for_worker() {
  return std::make_unique<WorkerAccessLog>(writer_.add_queue(), system_random().next_u64());
}

void WorkerAccessLog::on_exchange_ended(const http::Connection& connection,
                                        const http::ExchangeRecord& ended) {
  using Text = AccessRecord::Text;
  const http::ConnectionInfo& info = connection.info();
  AccessRecord record;
  record.fixed = {
      .started = std::chrono::system_clock::now() - (ended.ended - ended.started),
      .duration = ended.ended - ended.started,
      .until_response = ended.response_head ? *ended.response_head - ended.started : Duration(-1),
      .worker_key = key_,
      .number = number_++,
      .bytes_in = ended.bytes_in,
      .bytes_out = ended.bytes_out,
      .datagrams_in = ended.datagrams_in,
      .datagrams_out = ended.datagrams_out,
      .stream_id = ended.stream_id,
      .client = info.path.remote,
      .status = ended.status,
      .version = ended.version,
      .end = ended.end,
      .client_known = info.address_validated,
      .has_request = ended.request != nullptr,
  };
  record[Text::connection_id] = info.id;
  record[Text::identity] = ended.identity;
  record[Text::addresses] = ended.addresses;
  record[Text::tls] = info.tls;
  record[Text::cipher] = info.cipher;
  record[Text::server_name] = info.server_name;
  if (info.client_certificate) {
    record[Text::client_subject] = info.client_certificate->subject;
    record[Text::client_fingerprint] = info.client_certificate->fingerprint;
  }
  if (ended.request != nullptr) {
    const http::Request& request = *ended.request;
    record[Text::method] = request.method;
    record[Text::protocol] = request.protocol;
    record[Text::authority] = request.authority;
    record[Text::path] = request.path;
    record[Text::referer] = request.fields.find("referer").value_or("");
    record[Text::user_agent] = request.fields.find("user-agent").value_or("");
  }
  record[Text::proxy_status] = ended.proxy_status;
  record[Text::request_id] = ended.request_id;
  record[Text::route] = ended.route;
  record[Text::upstream] = ended.upstream;
  record[Text::upstream_error] = ended.upstream_error;
  if (ended.why != nullptr) record[Text::why] = ended.why->message;

  const std::size_t size = record.encoded_size();
  std::uint8_t* const room = queue_.reserve(size);
  if (room == nullptr) return;  // counted there
  record.encode(room);
  queue_.commit(size);
}

}  // namespace sallyport::gateway
