"""Find a person by who called."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes that export and erasure look by."""
    with op.batch_alter_table("ml_predictions") as table:
        table.create_index("idx_predictions_caller", ["caller"])

    with op.batch_alter_table("model_serving_logs") as table:
        table.create_index("idx_serving_logs_caller", ["caller"])
        table.create_index("idx_serving_logs_user", ["user_id"])

    with op.batch_alter_table("outcomes") as table:
        table.create_index("idx_outcomes_reporter", ["reported_by"])


def downgrade() -> None:
    """Drop them."""
    with op.batch_alter_table("outcomes") as table:
        table.drop_index("idx_outcomes_reporter")

    with op.batch_alter_table("model_serving_logs") as table:
        table.drop_index("idx_serving_logs_user")
        table.drop_index("idx_serving_logs_caller")

    with op.batch_alter_table("ml_predictions") as table:
        table.drop_index("idx_predictions_caller")
