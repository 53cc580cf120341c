//! A sample of the stacks for real: staging is deployed, production started, then a promotion planned.
