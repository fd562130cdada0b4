# Failed Databricks jobs, to Pipesleuth: the same as `pipesleuth connect databricks --apply`, kept in Terraform.
# The provider's own resources are described at
# https://registry.terraform.io/providers/databricks/databricks/latest/docs

terraform {
  required_version = ">= 1.5"
  required_providers {
    databricks = {
      source  = "databricks/databricks"
      version = ">= 1.40"
    }
  }
}

variable "workspace_url" {
  description = "Address of the workspace: https://adb-1234567890123456.7.azuredatabricks.net"
  type        = string
}

variable "pipesleuth_url" {
  description = "PUBLIC_BASE_URL of the service, without a closing slash."
  type        = string

  validation {
    condition     = startswith(var.pipesleuth_url, "https://")
    error_message = "Databricks sends the key with every call, so the address must begin with https://."
  }
}

variable "rca_api_key" {
  description = "RCA_API_KEY of the service. It is kept in Terraform's state: protect that."
  type        = string
  sensitive   = true
}

provider "databricks" {
  host = var.workspace_url
}

# Needs a workspace administrator.
resource "databricks_notification_destination" "pipesleuth" {
  display_name = "Pipesleuth"

  config {
    generic_webhook {
      url      = "${var.pipesleuth_url}/databricks-monitor"
      username = "pipesleuth"
      password = var.rca_api_key
    }
  }
}

# An example: put the two blocks at its end into each job of yours.
resource "databricks_job" "nightly" {
  name = "nightly"

  task {
    task_key = "load"

    notebook_task {
      notebook_path = "/Shared/nightly/load"
    }
  }

  webhook_notifications {
    on_failure {
      id = databricks_notification_destination.pipesleuth.id
    }
  }

  # A run that a person stopped, or that was skipped, is no failure.
  notification_settings {
    no_alert_for_canceled_runs = true
    no_alert_for_skipped_runs  = true
  }
}

output "notification_destination_id" {
  description = "For jobs that are kept elsewhere: webhook_notifications.on_failure.id."
  value       = databricks_notification_destination.pipesleuth.id
}
