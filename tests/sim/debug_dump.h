#pragma once
#include "chain_scene.h"
namespace sallyport::sim {
inline void dump(ChainScene& scene, int hops) { fprintf(stderr,"DBG t=%.2f\n", scene.network.elapsed().count()/1e9);
   for (auto& f: scene.client().figures()) fprintf(stderr,"DBG    %s budget %zu mtu %zu cwnd %zu flight %zu lost %zu dq %zu sent %zu recv %zu srtt %ld tun drop size %zu queue %zu | dgdropsize %zu dropq %zu\n", f.title.c_str(), f.path_budget, f.quic.max_udp_payload, f.quic.congestion_window, f.quic.bytes_in_flight, f.quic.packets_lost, f.quic.datagram_queue_bytes, f.quic.packets_sent, f.quic.packets_received, long(f.quic.smoothed_rtt/1ms), f.tunnel.dropped_size, f.tunnel.dropped_queue, f.quic.datagrams_dropped_size, f.quic.datagrams_dropped_queue);
   for (int g=1; g<=hops+1; ++g) { scene.gateway(g).endpoint().for_each([&](quic::Connection& c){ auto q=c.stats(); fprintf(stderr,"DBG    G%d mtu %zu pay %zu cwnd %zu flight %zu lost %zu dq %zu sent %zu recv %zu srtt %ld dropsize %zu dropq %zu ; px dropsize %zu dropq %zu\n", g, q.max_udp_payload, c.max_datagram_payload(), q.congestion_window, q.bytes_in_flight, q.packets_lost, q.datagram_queue_bytes, q.packets_sent, q.packets_received, long(q.smoothed_rtt/1ms), q.datagrams_dropped_size, q.datagrams_dropped_queue, scene.gateway(g).proxy().dropped_size, scene.gateway(g).proxy().dropped_queue); }); }
}
}
