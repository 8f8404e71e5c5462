package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"podsim/scenarios"
)

func newScenario() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "scenario",
		Short: "Check scenario files, print their JSON Schema",
		Example: `  podsim scenario check scenarios/library/shop/shop.yaml
  podsim scenario schema > scenario.schema.json`,
	}
	check := &cobra.Command{
		Use:     "check FILE...",
		Short:   "Check scenario files and everything they name",
		Example: "  podsim scenario check scenarios/library/shop/shop.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, path := range args {
				sc, err := scenarios.Read(path)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %d nodes, %d steps, %s\n", path, len(sc.Nodes), len(sc.Steps), sc.Duration.Duration())
			}
			return nil
		},
	}
	schema := &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON Schema of scenario files",
		Long:    "Print the JSON Schema of scenario files, so that editors complete and check them.",
		Example: "  podsim scenario schema > scenario.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := cmd.OutOrStdout().Write(scenarios.Schema())
			return err
		},
	}
	cmd.AddCommand(check, schema)
	return group(cmd)
}
