// Package reports is what comes out of a run: the record, a stream of every change and
// Event, and the folds over it that people read: get, describe, watch.
//
// The record is a folder: transitions.parquet and events.parquet, which notebooks read too,
// and run.json. A row of transitions.parquet holds the whole status of an object after one
// change, so that the state at any moment is the last row of each object up to then. What an
// object says is decided in package model; here it is only written down and laid out.
package reports
