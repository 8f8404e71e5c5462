// Package conform holds recorded reality against the simulator: it reads recordings of the real
// components, runs podsim with what the recording was made of, and compares by a written rule.
//
// The rule for a pod's recording:
//
//  1. The sequence of different states is the same. A state is the phase, the reason, each
//     condition's status and reason, and each container's state, reason, exit code, restarts, ready
//     and started. The kubelet joins fast changes: a state that lasts less than 300 ms may be
//     missing on either side.
//  2. Matched states lie within 1.5 s or 10 % of each other, whichever is more, and where the
//     kubelet draws at random within what podsim's draws give. Where nothing was drawn they lie
//     within 50 ms.
//  3. The kubelet's Events agree in the order of their first appearance by type and reason, by
//     their messages with uids, durations, digests and addresses masked, and in their counts, which
//     are compared while the spam filter drops none.
//
// The rule for a run on a real node is the same, but that one simulation must agree in all pods and in
// their times, which are not widened by the draws: [CompareRuns].
//
// The rule for a decision of the scheduler: [Compare] finds no difference.
package conform
