// The time series of a worker: operators watch them by the names of docs/metrics.md, also before anything
// happened.
#include "admin/metric_set.h"
#include "files/folder_for_test.h"
#include "gateway/ip_service.h"
#include "gateway/worker.h"
#include "net/network_namespace_for_test.h"
#include "tls/certificate.h"

#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using net::test::value_of;
using Names = std::vector<std::string>;
/// A label and its values.
struct Label {
  std::string name;
  Names values;
};
struct Family {
  Names names;
  std::vector<Label> labels;
};

const Label version{"version", {"http/1", "http/2", "http/3"}};
const Label transport{"transport", {"quic", "tcp"}};
const Label in_out{"direction", {"in", "out"}};
const Label up_down{"direction", {"up", "down"}};
const Label protocol{"protocol", {"udp", "tcp", "ip"}};
const Label ip_version{"ip_version", {"4", "6"}};
Label reason(Names values) {
  return {"reason", std::move(values)};
}

const std::vector<Family> families{
    {{"connections_open", "connections_total", "requests_total", "response_body_bytes_total"}, {version}},
    {{"handshakes_total"}, {transport, {"result", {"completed", "failed"}}}},
    {{"requests_open"}, {transport}},
    {{"proxy_protocol_headers_total"}, {{"result", {"client", "no_client", "malformed", "incomplete"}}}},
    {{"requests_refused_total"}, {reason({"misdirected", "too_early"})}},
    {{"responses_total"}, {version, {"class", {"1xx", "2xx", "3xx", "4xx", "5xx"}}}},
    {{"stream_resets_total", "http_datagrams_total", "quic_packets_total", "quic_bytes_total",
      "quic_datagrams_total", "udp_datagrams_total", "udp_bytes_total", "udp_calls_total", "tcp_bytes_total",
      "masque_socket_calls_total", "masque_ip_device_packets_total", "masque_ip_device_calls_total"},
     {in_out}},
    {{"http_datagrams_dropped_total"}, {reason({"unknown_stream", "size", "sojourn", "queue"})}},
    {{"masque_tunnels_open", "masque_tunnels_total"}, {protocol}},
    {{"masque_refused_total"},
     {reason({"policy", "limit", "malformed", "loop", "failed", "no_token", "wrong_token", "throttled"})}},
    {{"masque_datagrams_total", "masque_bytes_total", "masque_ip_packets_total", "masque_ip_bytes_total"},
     {up_down}},
    {{"masque_datagrams_dropped_total"}, {reason({"context", "size", "queue", "sojourn", "early"})}},
    {{"udp_dropped_total", "masque_socket_dropped_total"},
     {reason({"receive_buffer", "send_queue", "too_large", "truncated", "error"})}},
    {{"masque_ip_dropped_total"},
     {reason({"invalid", "source", "scope", "policy", "hop_limit", "no_tunnel", "too_large", "queue",
              "sojourn", "device"})}},
    {{"masque_ip_device_dropped_total"}, {reason({"backlog", "invalid", "unknown", "error"})}},
    {{"masque_ip_addresses", "masque_ip_addresses_leased"}, {ip_version}},
    {{"quic_datagrams_dropped_total"}, {reason({"size", "sojourn", "queue", "lost"})}},
    {{"quic_unmatched_total"}, {reason({"short_initial", "unknown", "half_open", "token", "malformed"})}},
    {{"resource_shortages_total"}, {{"what", {"accept", "tunnel", "file"}}}},
    {{"workers",
      "abusive_connections_total",
      "http_datagrams_refused_total",
      "file_transfers_open",
      "file_queued_bytes",
      "file_transfers_cut_total",
      "file_loads_open",
      "file_cache_entries",
      "masque_ip_icmp_total",
      "masque_ip_icmp_suppressed_total",
      "quic_packets_lost_total",
      "quic_datagrams_refused_total",
      "quic_connections_resting",
      "quic_datagram_queue_bytes",
      "quic_half_open",
      "quic_resumed_total",
      "quic_early_data_total",
      "quic_path_changes_total",
      "quic_key_updates_total",
      "quic_retries_total",
      "quic_version_negotiations_total",
      "quic_stateless_resets_total",
      "quic_tokens_ignored_total",
      "quic_rtt_seconds_count",
      "quic_loss_ratio_count"},
     {}},
};

std::set<std::string> expected() {
  std::set<std::string> all;
  for (const Family& family : families)
    for (const std::string& name : family.names) {
      Names series{"sallyport_" + name};
      for (const Label& label : family.labels) {
        Names more;
        for (const std::string& before : series)
          for (const std::string& value : label.values)
            more.push_back(before + (before.ends_with('"') ? "," : "{") + label.name + "=\"" + value + "\"");
        series = std::move(more);
      }
      for (const std::string& each : series) all.insert(each.ends_with('"') ? each + "}" : each);
    }
  return all;
}

/// Without the buckets and the sums of histograms.
std::set<std::string> series_of(const std::string& text) {
  std::set<std::string> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::string series = line.substr(0, line.rfind(' '));
    if (!line.starts_with('#') && !series.ends_with("_sum") && series.find("_bucket{") == std::string::npos)
      all.insert(series);
  }
  return all;
}

std::shared_ptr<config::Configuration> configuration(const files::FolderForTest& folder) {
  auto made = std::make_shared<config::Configuration>();
  made->listeners.push_back(
      {.id = "main",
       .address = net::SocketAddress::parse("127.0.0.1:0").value(),
       .credentials = tls::ServerCredentials::make({tls::make_self_signed({"a.test"}).value()}).value()});
  made->files =
      config::Files{.folder = folder.path(), .opened = files::ServedFolder::open(folder.path()).value()};
  made->masque = config::Masque{.protocols = {masque::Protocol::udp, masque::Protocol::tcp}};
  made->masque->protocols.insert(masque::Protocol::ip);
  made->masque->open = true;
  return made;
}

TEST(WorkerMetrics, AreThereBeforeAnythingHappens) {
  const bool ran = net::test::in_network_namespace_with_tun([] {
    const files::FolderForTest folder;
    net::EventLoop loop;
    const auto inbound = net::make_kernel_inbound(loop);
    const auto outbound = net::make_kernel_outbound(loop, {});
    auto setup = std::make_shared<WorkerSetup>();
    IpSettings ip;
    ip.pool = {net::IpPrefix::parse("10.89.0.0/24").value()};
    setup->ip = value_of(IpService::open(ip, 1));
    const auto queue = value_of(setup->ip->take_queue(loop, 0));
    Worker worker(*inbound, *outbound, loop.timers(), setup, 0, {.packets = queue.get(), .tun = queue.get()});
    value_of(worker.apply(configuration(folder)));
    admin::MetricSet metrics;
    worker.collect(metrics);
    EXPECT_THAT(series_of(metrics.to_text()), testing::ContainerEq(expected()));
  });
  if (!ran) GTEST_SKIP() << net::test::needs_tun;
}

}  // namespace
}  // namespace sallyport::gateway
